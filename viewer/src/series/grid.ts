import { add, dot, norm, normalOf, scale, subtract, type Orientation, type Vec3 } from "../geometry";
import type { Stack } from "./stacks";

/** A regular voxel grid: voxel (column, row, slice) has its centre at origin + their spacings along right, down, normal. */
export interface Grid extends Orientation {
  readonly origin: Vec3;
  readonly normal: Vec3;
  readonly dimensions: readonly [number, number, number];
  readonly spacing: readonly [number, number, number];
  /** The frames are the grid's slices as they are; otherwise they must be interpolated (gantry tilt, uneven distances). */
  readonly regular: boolean;
}

/** How far, as a part of a voxel, slices may be from a regular grid and still count as lying on it. */
const OFF_GRID = 0.05;

/** Holes in a series are filled by interpolation up to this many times its number of slices. */
const MOST_FILLED = 4;

/** The grid that a stack fills, or why three-plane views of it cannot be made. */
export function gridOf(stack: Stack): Grid | string {
  const first = stack.planes[0]!;
  const { rows, columns, rendered } = stack.frames[0]!.pixels;
  if (rendered) return "It is a colour picture.";
  if (!stack.located) return "Its header does not say where the slices are in the patient.";
  if (stack.planes.length < 3) return `It has ${stack.planes.length} slice${stack.planes.length > 1 ? "s" : ""}; at least 3 are needed.`;
  const normal = normalOf(first);
  const along = stack.planes.map((plane) => dot(subtract(plane.origin, first.origin), normal));
  const gaps = along.slice(1).map((value, index) => value - along[index]!);
  const gap = [...gaps].sort((a, b) => a - b)[(gaps.length - 1) >> 1]!;
  if (!(gap > 1e-3)) return "Several of its slices are at the same place.";
  const slices = Math.round(along.at(-1)! / gap) + 1;
  if (slices > MOST_FILLED * stack.planes.length) return "The gaps between its slices are too large.";
  const spacing = [first.columnSpacing, first.rowSpacing, along.at(-1)! / (slices - 1)] as const;
  const [left, right] = shifts(stack, first.right, first.columnSpacing);
  const [top, bottom] = shifts(stack, first.down, first.rowSpacing);
  const uneven = along.some((value, index) => Math.abs(value - index * gap) > OFF_GRID * gap);
  const regular = slices === stack.planes.length && !uneven && right - left < OFF_GRID && bottom - top < OFF_GRID;
  const dimensions = regular
    ? ([columns, rows, slices] as const)
    : ([columns + Math.ceil(right) - Math.floor(left), rows + Math.ceil(bottom) - Math.floor(top), slices] as const);
  const corner = regular
    ? first.origin
    : add(
        first.origin,
        add(scale(first.right, Math.floor(left) * spacing[0]), scale(first.down, Math.floor(top) * spacing[1])),
      );
  return { origin: corner, right: first.right, down: first.down, normal, dimensions, spacing, regular };
}

/** Smallest and largest displacement of the frames in the plane, in pixels. */
function shifts(stack: Stack, axis: Vec3, spacing: number): [number, number] {
  const origin = stack.planes[0]!.origin;
  const along = stack.planes.map((plane) => dot(subtract(plane.origin, origin), axis) / spacing);
  return [Math.min(...along), Math.max(...along)];
}

/** The voxels of an irregular stack on its grid, interpolated linearly; `outside` fills what no slice covers. */
export function resampled(
  stack: Stack,
  grid: Grid,
  frame: (index: number) => ArrayLike<number>,
  outside: number,
): Float32Array<ArrayBuffer> {
  const [columns, rows, slices] = grid.dimensions;
  const result = new Float32Array(columns * rows * slices).fill(outside);
  const along = stack.planes.map((plane) => dot(subtract(plane.origin, grid.origin), grid.normal));
  for (let slice = 0; slice < slices; slice++) {
    const position = slice * grid.spacing[2];
    const next = along.findIndex((value) => value >= position - 1e-6);
    const above = next < 0 ? along.length - 1 : next;
    const below = Math.max(0, above - 1);
    const gap = along[above]! - along[below]!;
    const weight = gap > 0 ? Math.min(1, Math.max(0, (position - along[below]!) / gap)) : 1;
    const target = result.subarray(slice * columns * rows, (slice + 1) * columns * rows);
    const source = { columns: stack.frames[0]!.pixels.columns, rows: stack.frames[0]!.pixels.rows };
    const lower = shifted(frame(below), source, offset(stack, grid, below), [columns, rows], outside);
    const upper = shifted(frame(above), source, offset(stack, grid, above), [columns, rows], outside);
    for (let i = 0; i < target.length; i++) target[i] = lower[i]! * (1 - weight) + upper[i]! * weight;
  }
  return result;
}

/** Where a frame's first pixel is in the grid's plane, in pixels. */
function offset(stack: Stack, grid: Grid, index: number): [number, number] {
  const difference = subtract(stack.planes[index]!.origin, grid.origin);
  return [dot(difference, grid.right) / grid.spacing[0], dot(difference, grid.down) / grid.spacing[1]];
}

/** A picture moved by a fraction of pixels, bilinearly interpolated. */
function shifted(
  picture: ArrayLike<number>,
  source: { columns: number; rows: number },
  [dx, dy]: readonly [number, number],
  [columns, rows]: readonly [number, number],
  outside: number,
): Float32Array {
  const result = new Float32Array(columns * rows).fill(outside);
  const inside = (column: number, row: number): number =>
    column < 0 || row < 0 || column >= source.columns || row >= source.rows ? outside : picture[row * source.columns + column]!;
  for (let row = 0; row < rows; row++) {
    const y = row - dy;
    const y0 = Math.floor(y);
    const fy = y - y0;
    if (y0 < -1 || y0 >= source.rows) continue;
    for (let column = 0; column < columns; column++) {
      const x = column - dx;
      const x0 = Math.floor(x);
      const fx = x - x0;
      const upper = inside(x0, y0) * (1 - fx) + inside(x0 + 1, y0) * fx;
      const lower = inside(x0, y0 + 1) * (1 - fx) + inside(x0 + 1, y0 + 1) * fx;
      result[row * columns + column] = upper * (1 - fy) + lower * fy;
    }
  }
  return result;
}

/** The eight outer corners of a grid. */
export function gridCorners(grid: Grid): Vec3[] {
  const ends = grid.dimensions.map((count) => [-0.5, count - 0.5] as const);
  return ends[0]!.flatMap((column) =>
    ends[1]!.flatMap((row) => ends[2]!.map((slice) => gridPoint(grid, [column, row, slice]))),
  );
}

/** Patient coordinates of a (column, row, slice) index. */
export const gridPoint = (grid: Grid, [column, row, slice]: readonly [number, number, number]): Vec3 =>
  add(
    grid.origin,
    add(
      scale(grid.right, column * grid.spacing[0]),
      add(scale(grid.down, row * grid.spacing[1]), scale(grid.normal, slice * grid.spacing[2])),
    ),
  );

/** The (column, row, slice) index of a patient point, fractional. */
export function gridIndex(grid: Grid, point: Vec3): [number, number, number] {
  const offset = subtract(point, grid.origin);
  return [
    dot(offset, grid.right) / grid.spacing[0],
    dot(offset, grid.down) / grid.spacing[1],
    dot(offset, grid.normal) / grid.spacing[2],
  ];
}

/** Distance between voxel centres along a direction of length 1 [mm]. */
export const stepAlong = (grid: Grid, direction: Vec3): number =>
  norm([
    dot(direction, grid.right) * grid.spacing[0],
    dot(direction, grid.down) * grid.spacing[1],
    dot(direction, grid.normal) * grid.spacing[2],
  ]);
