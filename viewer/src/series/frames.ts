import { number, numbers, sequence, TAG, text, texts, type Dataset } from "../dicom";
import { add, normalize, scale, type Orientation, type Vec3 } from "../geometry";
import { rescaleOf } from "./units";

/** Where a frame's pixels are in the patient. */
export interface FramePlane extends Orientation {
  /** Centre of the first pixel [LPS mm]. */
  readonly origin: Vec3;
  /** Distance between columns (along `right`) and rows (along `down`) [mm]. */
  readonly columnSpacing: number;
  readonly rowSpacing: number;
}

/** How a frame's stored pixels are coded. */
export interface PixelFormat {
  readonly rows: number;
  readonly columns: number;
  readonly bitsAllocated: number;
  readonly bitsStored: number;
  readonly signed: boolean;
  readonly float: boolean;
  /** Shown as the server renders it (RGB, palette, one bit …), not as numbers. */
  readonly rendered: boolean;
  /** Low values are bright (MONOCHROME1). */
  readonly inverted: boolean;
}

export interface Window {
  readonly lower: number;
  readonly upper: number;
}

/** One picture of a series. */
export interface Frame {
  readonly url: string;
  readonly pixels: PixelFormat;
  /** Absent where the header does not say where the picture is. */
  readonly plane?: FramePlane;
  /** Distance between rows and between columns on a detector or sample, or their ratio, where no more is known. */
  readonly pixelSpacing?: readonly [number, number];
  readonly slope: number;
  readonly intercept: number;
  /** Of the rescaled values, as RescaleType or a real-world value mapping says. */
  readonly unit: string;
  readonly window?: Window;
  readonly instanceNumber: number;
  readonly frameNumber: number;
  /** What tells frames at the same place apart: echo, time, diffusion weighting. */
  readonly channel: string;
  readonly dataset: Dataset;
}

const NUMBERS = ["MONOCHROME1", "MONOCHROME2"];

/** Every frame of a series in the order of its instances; those without pixels are left out. */
export function framesOf(instances: readonly Dataset[], seriesUrl: string): Frame[] {
  return instances.filter((dataset) => number(dataset, TAG.Rows)).flatMap((dataset) => instanceFrames(dataset, seriesUrl));
}

function instanceFrames(dataset: Dataset, seriesUrl: string): Frame[] {
  const count = number(dataset, TAG.NumberOfFrames) ?? 1;
  const [shared = {}] = sequence(dataset, TAG.SharedFunctionalGroupsSequence);
  const perFrame = sequence(dataset, TAG.PerFrameFunctionalGroupsSequence);
  const url = `${seriesUrl}/instances/${text(dataset, TAG.SOPInstanceUID)}/frames`;
  const pixels = pixelFormat(dataset);
  return Array.from({ length: count }, (_, index) => {
    const find = groupFinder(dataset, shared, perFrame[index] ?? {});
    const mappings = [perFrame[index] ?? {}, shared, dataset].map((place) => sequence(place, TAG.RealWorldValueMappingSequence));
    const { slope, intercept, unit, unlikeWindow } = rescaleOf(find(TAG.PixelValueTransformationSequence), mappings.find((found) => found.length) ?? []);
    const plane = framePlane(find);
    const pixelSpacing = flatSpacing(dataset, find);
    const window = unlikeWindow ? undefined : windowOf(find(TAG.FrameVOILUTSequence));
    return {
      url: `${url}/${index + 1}`,
      pixels,
      ...(plane && { plane }),
      ...(pixelSpacing && { pixelSpacing }),
      slope,
      intercept,
      unit,
      ...(window && { window }),
      instanceNumber: number(dataset, TAG.InstanceNumber) ?? 0,
      frameNumber: index + 1,
      channel: channelOf(dataset, perFrame[index] ?? {}),
      dataset,
    };
  });
}

/** Finds a functional group of a frame: its own, else the shared one, else the instance itself (classic objects). */
const groupFinder =
  (dataset: Dataset, shared: Dataset, own: Dataset) =>
  (tag: string): Dataset =>
    sequence(own, tag)[0] ?? sequence(shared, tag)[0] ?? dataset;

function pixelFormat(dataset: Dataset): PixelFormat {
  const photometric = text(dataset, TAG.PhotometricInterpretation) || "MONOCHROME2";
  const double = dataset[TAG.DoublePixelData] !== undefined;
  const float = double || dataset[TAG.FloatPixelData] !== undefined;
  const bitsAllocated = double ? 64 : float ? 32 : (number(dataset, TAG.BitsAllocated) ?? 16);
  return {
    rows: number(dataset, TAG.Rows)!,
    columns: number(dataset, TAG.Columns) ?? 0,
    bitsAllocated,
    bitsStored: number(dataset, TAG.BitsStored) ?? bitsAllocated,
    signed: number(dataset, TAG.PixelRepresentation) === 1,
    float,
    rendered:
      !NUMBERS.includes(photometric) || (number(dataset, TAG.SamplesPerPixel) ?? 1) > 1 || bitsAllocated % 8 !== 0,
    inverted: photometric === "MONOCHROME1",
  };
}

function framePlane(find: (tag: string) => Dataset): FramePlane | undefined {
  const position = numbers(find(TAG.PlanePositionSequence), TAG.ImagePositionPatient);
  const cosines = numbers(find(TAG.PlaneOrientationSequence), TAG.ImageOrientationPatient);
  const spacing = numbers(find(TAG.PixelMeasuresSequence), TAG.PixelSpacing);
  if (position.length !== 3 || cosines.length !== 6 || spacing.length !== 2) return undefined;
  const [right, across] = [cosines.slice(0, 3), cosines.slice(3)] as unknown as [Vec3, Vec3];
  if (!spacing.every((value) => value > 0) || !right.some(Boolean) || !across.some(Boolean)) return undefined;
  return {
    origin: position as unknown as Vec3,
    right: normalize(right),
    down: normalize(across),
    rowSpacing: spacing[0]!,
    columnSpacing: spacing[1]!,
  };
}

/** Spacing of a picture without a place: as measured, on the detector, or at least its shape. */
function flatSpacing(dataset: Dataset, find: (tag: string) => Dataset): readonly [number, number] | undefined {
  const known = [
    numbers(find(TAG.PixelMeasuresSequence), TAG.PixelSpacing),
    numbers(dataset, TAG.ImagerPixelSpacing),
    numbers(dataset, TAG.PixelAspectRatio),
  ].find((pair) => pair.length === 2 && pair.every((value) => value > 0));
  return known && [known[0]!, known[1]!];
}

function windowOf(dataset: Dataset): Window | undefined {
  const centre = number(dataset, TAG.WindowCenter);
  const width = number(dataset, TAG.WindowWidth);
  if (centre === undefined || width === undefined || width < 1e-12) return undefined;
  return { lower: centre - width / 2, upper: centre + width / 2 };
}

function channelOf(dataset: Dataset, own: Dataset): string {
  const [diffusion = {}] = sequence(own, "00189117");
  const [echo = {}] = sequence(own, "00189114");
  const [temporal = {}] = sequence(own, "00209310");
  return [
    texts(dataset, TAG.ImageType).slice(2, 3).join(),
    text(dataset, TAG.EchoTime) || text(echo, "00189082"),
    text(dataset, TAG.TemporalPositionIdentifier) || text(temporal, "00209128"),
    text(dataset, TAG.DiffusionBValue) || text(diffusion, TAG.DiffusionBValue),
    text(dataset, TAG.AcquisitionNumber),
  ].join("/");
}

/** The four outer corners of a frame (edges of its outermost pixels). */
export function cornersOf(plane: FramePlane, rows: number, columns: number): Vec3[] {
  const at = (column: number, row: number): Vec3 =>
    add(plane.origin, add(scale(plane.right, column * plane.columnSpacing), scale(plane.down, row * plane.rowSpacing)));
  return [at(-0.5, -0.5), at(columns - 0.5, -0.5), at(-0.5, rows - 0.5), at(columns - 0.5, rows - 0.5)];
}
