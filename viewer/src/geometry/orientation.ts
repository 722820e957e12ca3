import { cross, type Vec3 } from "./vector";

/** What a picture's axes are in the patient: `right` and `down` as the reader sees them, both of length 1. */
export interface Orientation {
  readonly right: Vec3;
  readonly down: Vec3;
}

export type PlaneName = "axial" | "coronal" | "sagittal";

/**
 * The radiological convention: axial seen from the feet, coronal from the front (both with the patient's left at the
 * reader's right), sagittal from the patient's left (anterior at the reader's left); head or anterior up.
 */
export const STANDARD: Readonly<Record<PlaneName, Orientation>> = {
  axial: { right: [1, 0, 0], down: [0, 1, 0] },
  coronal: { right: [1, 0, 0], down: [0, 0, -1] },
  sagittal: { right: [0, 1, 0], down: [0, 0, -1] },
};

/** The direction away from the reader (DICOM's slice normal: row direction × column direction). */
export const normalOf = (orientation: Orientation): Vec3 => cross(orientation.right, orientation.down);

/** The patient's sides by axis, the positive direction first: left, posterior, head; right, anterior, feet (PS3.3 C.7.6.1.1.1). */
const SIDES = [
  ["L", "R"],
  ["P", "A"],
  ["H", "F"],
] as const;

/** The letter of the side on which a coordinate lies; 0 counts as positive. */
export const sideOf = (axis: number, coordinate: number): string => SIDES[axis]![coordinate >= 0 ? 0 : 1];

/** Components below this are too small to be named (about 5.7 degrees off an axis). */
const NAMED = 0.1;

/** The letters of a direction, largest component first: "L", "PH", …. */
export function letters(direction: Vec3): string {
  return direction
    .map((value, axis) => ({ size: Math.abs(value), letter: sideOf(axis, value) }))
    .filter((part) => part.size > NAMED)
    .sort((a, b) => b.size - a.size)
    .map((part) => part.letter)
    .join("");
}

/** Which standard plane an orientation is nearest to; "oblique" where more than about 25 degrees from all. */
export function planeName(orientation: Orientation): PlaneName | "oblique" {
  const normal = normalOf(orientation).map(Math.abs);
  const largest = Math.max(...normal);
  if (largest < 0.9) return "oblique";
  return (["sagittal", "coronal", "axial"] as const)[normal.indexOf(largest)]!;
}
