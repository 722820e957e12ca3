import { TAG, type Dataset, type Element } from "../dicom";

const VR: Readonly<Record<string, string>> = { string: "LO", number: "DS", object: "SQ" };

/** A DICOM JSON dataset from plain values by keyword. */
export function dataset(values: Readonly<Partial<Record<keyof typeof TAG, unknown>>>): Dataset {
  const entries = Object.entries(values).map(([keyword, value]): [string, Element] => {
    const all = Array.isArray(value) ? value : [value];
    return [TAG[keyword as keyof typeof TAG], { vr: VR[typeof all[0]] ?? "UN", Value: all }];
  });
  return Object.fromEntries(entries);
}

/** An axial slice of 4 × 3 pixels at a place. */
export const slice = (index: number, origin: readonly number[], more: Parameters<typeof dataset>[0] = {}): Dataset =>
  dataset({
    SOPInstanceUID: `1.2.${index}`,
    SeriesInstanceUID: "1.2.3",
    FrameOfReferenceUID: "9.9",
    Modality: "CT",
    InstanceNumber: index,
    Rows: 3,
    Columns: 4,
    PixelSpacing: [2, 1],
    ImageOrientationPatient: [1, 0, 0, 0, 1, 0],
    ImagePositionPatient: origin,
    BitsAllocated: 16,
    BitsStored: 16,
    PixelRepresentation: 1,
    PhotometricInterpretation: "MONOCHROME2",
    ...more,
  });
