import { dot, type Vec3 } from "../geometry";
import { gridPoint, stepAlong, type Grid } from "./grid";
import { stackNormal, type Stack } from "./stacks";

/** The slices that a viewport can show: where they are along their normal [mm], ascending. */
export interface Slicing {
  readonly normal: Vec3;
  readonly positions: readonly number[];
}

/** A stack's own slices. */
export function stackSlicing(stack: Stack): Slicing {
  const normal = stackNormal(stack);
  return { normal, positions: stack.planes.map((plane) => dot(plane.origin, normal)) };
}

/** Slices through a grid along any normal, through voxel centres where the grid is parallel to it. */
export function gridSlicing(grid: Grid, normal: Vec3): Slicing {
  const ends = grid.dimensions.map((count) => [0, count - 1] as const);
  const corners = ends[0]!.flatMap((column) =>
    ends[1]!.flatMap((row) => ends[2]!.map((slice) => dot(gridPoint(grid, [column, row, slice]), normal))),
  );
  const first = Math.min(...corners);
  const step = stepAlong(grid, normal);
  const count = Math.floor((Math.max(...corners) - first) / step + 1e-6) + 1;
  return { normal, positions: Array.from({ length: count }, (_, index) => first + index * step) };
}

/** Index of the slice nearest to a patient point. */
export function nearestSlice({ normal, positions }: Slicing, point: Vec3): number {
  const target = dot(point, normal);
  let low = 0;
  let high = positions.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (positions[middle]! <= target) low = middle;
    else high = middle;
  }
  return Math.abs(positions[high]! - target) < Math.abs(positions[low]! - target) ? high : low;
}
