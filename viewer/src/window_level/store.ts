import { signal, type Signal } from "@preact/signals";
import type { Stack, Window } from "../series";
import { linked, pixelsOf } from "../viewing";
import { percentileWindow, uptakeWindow } from "./presets";

/** What maps a stack's values to brightness. */
export interface Brightness {
  /** Undefined until the first picture is here. */
  readonly window: Signal<Window | undefined>;
  readonly inverted: Signal<boolean>;
}

interface Known extends Brightness {
  /** What reset goes back to: one for all slices. Undefined until the first picture is here. */
  usual: Window | undefined;
}

const known = new Map<string, Known>();

/** The brightness of a stack; all viewports that show the stack share it. */
export const brightnessOf = (stack: Stack): Brightness => knownOf(stack);

function knownOf(stack: Stack): Known {
  const found = known.get(stack.key);
  if (found) return found;
  // Positron pictures are read dark on white, and films that say so (MONOCHROME1) as they say.
  const inverted = stack.modality === "PT" || stack.frames[0]!.pixels.inverted;
  const usual = headerWindow(stack);
  const made = { usual, window: signal(usual), inverted: signal(inverted) };
  known.set(stack.key, made);
  return made;
}

/** The window that needs no pixels: by the kind of values, else as the header says. */
function headerWindow(stack: Stack): Window | undefined {
  const { factor, unit } = stack.scale;
  if (unit.startsWith("SUV")) return undefined;
  const window = stack.frames[stack.frames.length >> 1]!.window;
  if (window) return { lower: window.lower * factor, upper: window.upper * factor };
  return unit === "HU" ? { lower: -160, upper: 240 } : undefined;
}

/** Chooses the usual window from the values of a loaded frame, where none is known; shows it where none is set. */
export function chooseWindow(stack: Stack, frame: number): void {
  const brightness = knownOf(stack);
  if (!brightness.usual) {
    const values = pixelsOf(stack).frame(frame);
    brightness.usual = stack.scale.unit.startsWith("SUV") ? uptakeWindow(values) : percentileWindow(values);
  }
  brightness.window.value ??= brightness.usual;
}

/** Sets a stack's window; linked stacks of the same kind of values (compared ones) get it too. */
export function setWindow(stack: Stack, window: Window, compared: readonly Stack[] = []): void {
  brightnessOf(stack).window.value = window;
  if (!linked.value) return;
  for (const other of compared) {
    if (sameKind(stack, other)) brightnessOf(other).window.value = window;
  }
}

/** Whether two stacks' numbers mean the same. */
export const sameKind = (a: Stack, b: Stack): boolean => a.modality === b.modality && a.scale.unit === b.scale.unit;

/** Back to the usual window and polarity; where the window is not known yet, drawing chooses it. */
export function resetBrightness(stack: Stack): void {
  const { usual, window, inverted } = knownOf(stack);
  window.value = usual;
  inverted.value = stack.modality === "PT" || stack.frames[0]!.pixels.inverted;
}
