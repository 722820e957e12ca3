import { signal } from "@preact/signals";
import type { Stack, Window } from "../series";
import { gridOnce } from "../viewing";

/** What is laid over the picture, and how; one for the whole reading room. */
export interface Fusion {
  readonly overlay: Stack | undefined;
  readonly palette: string;
  /** Opacity of values from a quarter of the window on, 0 … 1. */
  readonly opacity: number;
  /** The overlay's own window: its brightness when seen alone stays as it is. */
  readonly window: Window | undefined;
}

export const fusion = signal<Fusion>({ overlay: undefined, palette: "hot_iron", opacity: 0.6, window: undefined });

export const changeFusion = (part: Partial<Fusion>): void => {
  fusion.value = { ...fusion.value, ...part };
};

/** Whether `overlay` can be laid over `base`: both volumes in one frame of reference. */
export const canFuse = (base: Stack, overlay: Stack): boolean =>
  base.key !== overlay.key &&
  base.frameOfReferenceUid === overlay.frameOfReferenceUid &&
  [base, overlay].every((stack) => typeof gridOnce(stack) !== "string");

/** Whether an assumed position is why two stacks cannot be fused. */
export const isUnrelated = (base: Stack, overlay: Stack): boolean =>
  (base.positionAssumed || overlay.positionAssumed) && base.frameOfReferenceUid !== overlay.frameOfReferenceUid;

/** The overlay that is shown on `base`, if any. */
export function overlayFor(base: Stack): Stack | undefined {
  const { overlay } = fusion.value;
  return overlay && canFuse(base, overlay) ? overlay : undefined;
}

/**
 * Opacity by value as (value, opacity) points: nothing at the lower end of the window, so that a picture without uptake
 * keeps its grey values, full `opacity` from a quarter of the window on.
 */
export function opacityPoints(window: Window, opacity: number): [number, number][] {
  const quarter = window.lower + (window.upper - window.lower) / 4;
  return [
    [window.lower, 0],
    [quarter, opacity],
    [window.upper, opacity],
  ];
}
