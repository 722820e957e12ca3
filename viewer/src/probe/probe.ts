import { dot, subtract, type Vec3 } from "../geometry";
import type { Stack } from "../series";
import { nearestSlice, stackSlicing } from "../series";
import { pixelsOf } from "../viewing";

/** What a stack's own pixel at a place says. */
export interface Reading {
  /** Column, row and slice of the pixel, counted from 0. */
  readonly index: readonly [number, number, number];
  /** One value, or red, green and blue. */
  readonly values: readonly number[];
}

/** The pixel nearest to a patient point; undefined outside the stack or before the picture is loaded. */
export function readAt(stack: Stack, point: Vec3): Reading | undefined {
  const slice = nearestSlice(stackSlicing(stack), point);
  const plane = stack.planes[slice]!;
  const { rows, columns } = stack.frames[slice]!.pixels;
  const offset = subtract(point, plane.origin);
  const column = Math.round(dot(offset, plane.right) / plane.columnSpacing);
  const row = Math.round(dot(offset, plane.down) / plane.rowSpacing);
  const pixels = pixelsOf(stack);
  if (column < 0 || row < 0 || column >= columns || row >= rows || !pixels.has(slice)) return undefined;
  const frame = pixels.frame(slice);
  const components = frame.length / (rows * columns);
  const start = (row * columns + column) * components;
  return { index: [column, row, slice], values: [...frame.subarray(start, start + components)] };
}

/** A reading as text with its unit: "SUV 3.42 g/ml (12,345 Bq/ml)", "−57 HU", "R 12 G 200 B 3". */
export function describe(stack: Stack, reading: Reading): string {
  if (reading.values.length > 1) return reading.values.map((value, channel) => `${"RGB"[channel]} ${value}`).join(" ");
  const value = reading.values[0]!;
  const { unit, factor, sourceUnit } = stack.scale;
  const own = sourceUnit ? ` (${format(value / factor)} ${sourceUnit})` : "";
  return unit.startsWith("SUV ") ? `SUV ${format(value)} ${unit.slice(4)}${own}` : `${format(value)} ${unit}`.trim() + own;
}

/** A number with four significant digits, whole ones in full. */
export function format(value: number): string {
  if (!Number.isFinite(value)) return "no number";
  if (Number.isInteger(value) || Math.abs(value) >= 1000) return Math.round(value).toLocaleString("en");
  return Math.abs(value) >= 1e-4 ? String(Number(value.toPrecision(4))) : value.toExponential(3);
}
