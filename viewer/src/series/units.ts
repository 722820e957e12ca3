import { number, sequence, TAG, text, type Dataset } from "../dicom";

/** Units as people write them, by their UCUM code (https://ucum.org), where the two differ. */
const SYMBOLS: Readonly<Record<string, string>> = {
  "1": "",
  "{counts}": "counts",
  "[hnsf'U]": "HU",
  "[ppm]": "ppm",
  "cm-1": "1/cm",
  "/cm": "1/cm",
  "g/cm3": "g/cm³",
  "mm2/s": "mm²/s",
  "um2/s": "µm²/s",
  "g/ml{SUVbw}": "SUV g/ml",
  "{SUVbw}g/ml": "SUV g/ml",
};

/** A UCUM unit as people write it. */
export const unitSymbol = (code: string): string => SYMBOLS[code] ?? code;

/** Rescale types that name no unit (PS3.3 C.11.1.1.2: US is unspecified). */
export const UNSPECIFIED: readonly string[] = ["", "US", "NONE"];

/** How stored values become values, and the unit of these. */
export interface Rescale {
  readonly slope: number;
  readonly intercept: number;
  /** As RescaleType says (its defined terms for none included), or of a real-world value mapping. */
  readonly unit: string;
  /** The header's window is not in these values. */
  readonly unlikeWindow: boolean;
}

/**
 * The rescale of a frame. Where its type names no unit, the real-world value mapping (PS3.3 C.7.6.16.2.11) does if it
 * gives the same values; where there is no rescale at all, the mapping gives values and unit.
 */
export function rescaleOf(transformation: Dataset, mappings: readonly Dataset[]): Rescale {
  const own = number(transformation, TAG.RescaleSlope);
  const [slope, intercept] = [own || 1, number(transformation, TAG.RescaleIntercept) ?? 0];
  const type = text(transformation, TAG.RescaleType);
  const plain: Rescale = { slope, intercept, unit: type, unlikeWindow: false };
  if (!UNSPECIFIED.includes(type)) return plain;
  for (const mapping of mappings) {
    const [units] = sequence(mapping, TAG.MeasurementUnitsCodeSequence);
    const [mapSlope, mapIntercept] = [number(mapping, TAG.RealWorldValueSlope), number(mapping, TAG.RealWorldValueIntercept)];
    if (!units || !mapSlope || mapIntercept === undefined) continue;
    const unit = unitSymbol(text(units, TAG.CodeValue)) || "NONE";
    if (same(mapSlope, slope) && same(mapIntercept, intercept)) return { ...plain, unit };
    if (own === undefined && unit !== "NONE") return { slope: mapSlope, intercept: mapIntercept, unit, unlikeWindow: true };
  }
  return plain;
}

/** Slopes are written with 16 characters at most. */
const same = (a: number, b: number): boolean => Math.abs(a - b) <= 1e-6 * Math.max(Math.abs(a), Math.abs(b), 1e-300);
