import type { Window } from "../series";

export interface Preset {
  readonly name: string;
  readonly window: Window;
}

const centred = (name: string, centre: number, width: number): Preset => ({
  name,
  window: { lower: centre - width / 2, upper: centre + width / 2 },
});

/** Usual windows in Hounsfield units. */
const CT: readonly Preset[] = [
  centred("Soft tissue", 40, 400),
  centred("Lung", -600, 1500),
  centred("Bone", 400, 1800),
  centred("Brain", 40, 80),
  centred("Liver", 60, 160),
  centred("Mediastinum", 50, 350),
];

/** Usual ranges of standardised uptake values. */
const UPTAKES = [2.5, 5, 7, 10, 15, 20];
const SUV: readonly Preset[] = UPTAKES.map((upper) => ({ name: `SUV 0 – ${upper}`, window: { lower: 0, upper } }));

/** The presets that make sense for values of this kind. */
export function presetsFor(modality: string, unit: string): readonly Preset[] {
  if (modality === "CT" && unit === "HU") return CT;
  if (modality === "PT" && unit.startsWith("SUV")) return SUV;
  return [];
}

/** Brightness that leaves out the darkest and brightest hundredth of the values. */
export function percentileWindow(values: ArrayLike<number>, low = 0.01, high = 0.995): Window {
  const step = Math.max(1, Math.floor(values.length / 20000));
  const sample: number[] = [];
  for (let i = 0; i < values.length; i += step) if (Number.isFinite(values[i])) sample.push(values[i]!);
  sample.sort((a, b) => a - b);
  if (sample.length === 0) return { lower: 0, upper: 1 };
  const at = (part: number): number => sample[Math.min(sample.length - 1, Math.floor(part * sample.length))]!;
  const [lower, upper] = [at(low), at(high)];
  return upper > lower ? { lower, upper } : { lower: sample[0]!, upper: Math.max(sample.at(-1)!, sample[0]! + 1) };
}

/** The usual range of uptake, from 5 up, that holds nearly all of a picture's values; a bladder does not set it. */
export function uptakeWindow(values: ArrayLike<number>): Window {
  const { upper } = percentileWindow(values);
  return { lower: 0, upper: UPTAKES.find((end) => end >= 5 && end >= upper) ?? UPTAKES.at(-1)! };
}

/** The window after a drag by (dx, dy) pixels: to the right it widens, downwards its centre rises (darker). */
export function dragged(window: Window, dx: number, dy: number): Window {
  const measure = Math.max(window.upper - window.lower, 1e-9) / 300;
  const width = Math.max((window.upper - window.lower) * 0.002, window.upper - window.lower + dx * measure);
  const centre = (window.lower + window.upper) / 2 + dy * measure;
  return { lower: centre - width / 2, upper: centre + width / 2 };
}

/** Digits after the point that a window's numbers need. */
export function digitsOf(window: Window): number {
  const width = Math.abs(window.upper - window.lower);
  return width >= 20 ? 0 : width >= 0.2 ? 2 : width > 0 ? Math.min(8, 2 - Math.floor(Math.log10(width))) : 0;
}
