import { computed, signal, type ReadonlySignal, type Signal } from "@preact/signals";
import {
  add,
  dot,
  fit,
  movedToPlane,
  normalOf,
  sameDirection,
  scale,
  STANDARD,
  type Orientation,
  type PlaneName,
  type PlaneView,
  type Size,
  type Vec3,
} from "../geometry";
import {
  cornersOf,
  gridCorners,
  gridOf,
  gridSlicing,
  nearestSlice,
  stackSlicing,
  type Grid,
  type Slicing,
  type Stack,
} from "../series";
import { cursorOf } from "./cursor";

/** What the reader changed by panning and zooming. */
export interface Camera {
  readonly centre: Vec3;
  readonly mmPerPixel: number;
}

/** A viewport's plane: that of the stack's own slices, or one of the patient's three. */
export type CellPlane = "acquired" | PlaneName;

/** The state of one viewport; everything it shows follows from these. */
export interface Cell {
  readonly id: string;
  readonly plane: CellPlane;
  readonly stack: Signal<Stack | undefined>;
  readonly size: Signal<Size>;
  /** Undefined: the whole picture, fitted. */
  readonly camera: Signal<Camera | undefined>;
  readonly cursor: ReadonlySignal<Signal<Vec3 | undefined> | undefined>;
  readonly orientation: ReadonlySignal<Orientation | undefined>;
  readonly slicing: ReadonlySignal<Slicing | undefined>;
  readonly sliceIndex: ReadonlySignal<number>;
  readonly view: ReadonlySignal<PlaneView | undefined>;
}

/** Whether viewports of one frame of reference move together. */
export const linked = signal(true);

/** Links or parts viewports; parted ones stay where they are, linked ones go to where `active` is. */
export function setLinked(cells: readonly Cell[], active: Cell, together: boolean): void {
  const points = cells.map((cell) => cell.cursor.value?.value);
  const here = active.cursor.value?.value;
  linked.value = together;
  if (together && active.cursor.value) active.cursor.value.value = here;
  else cells.forEach((cell, index) => cell.cursor.value && (cell.cursor.value.value = points[index]));
}

const grids = new Map<string, Grid | string>();

/** The grid of a stack, worked out once. */
export function gridOnce(stack: Stack): Grid | string {
  const known = grids.get(stack.key) ?? gridOf(stack);
  grids.set(stack.key, known);
  return known;
}

/** `partner`: the stack beside this one; where they move together, both are fitted to it and so equally large. */
export function makeCell(
  id: string,
  plane: CellPlane,
  stack: Signal<Stack | undefined>,
  partner?: ReadonlySignal<Stack | undefined>,
): Cell {
  const size = signal<Size>({ width: 0, height: 0 });
  const camera = signal<Camera | undefined>(undefined);
  const orientation = computed(() => stack.value && orientationOf(stack.value, plane));
  const slicing = computed(() => stack.value && slicingOf(stack.value, plane));
  const cursor = computed(() => {
    const frame = stack.value?.frameOfReferenceUid;
    return frame === undefined ? undefined : cursorOf(linked.value ? frame : `${frame}#${id}`);
  });
  const point = computed(() => cursor.value?.value ?? (stack.value && centreOf(stack.value)));
  const sliceIndex = computed(() => (slicing.value && point.value ? nearestSlice(slicing.value, point.value) : 0));
  const view = computed((): PlaneView | undefined => {
    if (!stack.value || !orientation.value || !slicing.value || size.value.width === 0) return undefined;
    const beside = partner?.value;
    const fitted = linked.value && beside && parallel(stack.value, beside) ? beside : stack.value;
    const shown = camera.value ?? fit(orientation.value, extentOf(fitted, plane), size.value);
    const position = slicing.value.positions[sliceIndex.value]!;
    const centre = movedToPlane(shown.centre, normalOf(orientation.value), position);
    return { ...orientation.value, centre, mmPerPixel: shown.mmPerPixel };
  });
  return { id, plane, stack, size, camera, cursor, orientation, slicing, sliceIndex, view };
}

function orientationOf(stack: Stack, plane: CellPlane): Orientation {
  if (plane !== "acquired") return STANDARD[plane];
  const { right, down } = stack.planes[0]!;
  return { right, down };
}

/** Whether two stacks' pictures lie over each other: parallel planes in one frame of reference. */
export function parallel(a: Stack, b: Stack): boolean {
  if (a.frameOfReferenceUid !== b.frameOfReferenceUid) return false;
  const [first, second] = [a.planes[0]!, b.planes[0]!];
  return sameDirection(first.right, second.right, 1e-3) && sameDirection(first.down, second.down, 1e-3);
}

function slicingOf(stack: Stack, plane: CellPlane): Slicing | undefined {
  if (plane === "acquired") return stackSlicing(stack);
  const grid = gridOnce(stack);
  return typeof grid === "string" ? undefined : gridSlicing(grid, normalOf(STANDARD[plane]));
}

function extentOf(stack: Stack, plane: CellPlane): Vec3[] {
  const grid = gridOnce(stack);
  if (plane !== "acquired" && typeof grid !== "string") return gridCorners(grid);
  const { rows, columns } = stack.frames[0]!.pixels;
  return stack.planes.flatMap((frame) => cornersOf(frame, rows, columns));
}

/** The middle of a stack's middle slice. */
export function centreOf(stack: Stack): Vec3 {
  const { rows, columns } = stack.frames[0]!.pixels;
  const corners = cornersOf(stack.planes[stack.planes.length >> 1]!, rows, columns);
  return scale(
    corners.reduce((sum, corner) => add(sum, corner)),
    1 / corners.length,
  );
}

/** Whether a patient point lies within the slab of a stack's pictures. */
export function covers(stack: Stack, point: Vec3): boolean {
  const { rows, columns } = stack.frames[0]!.pixels;
  const corners = stack.planes.flatMap((plane) => cornersOf(plane, rows, columns));
  const { right, down } = stack.planes[0]!;
  return [right, down, normalOf({ right, down })].every((axis) => {
    const along = corners.map((corner) => dot(corner, axis));
    const at = dot(point, axis);
    return at >= Math.min(...along) - 1 && at <= Math.max(...along) + 1;
  });
}

/** Moves a viewport to the slice `index` (kept within its slices), and with it all that are linked. */
export function goToSlice(cell: Cell, index: number): void {
  const slicing = cell.slicing.value;
  const view = cell.view.value;
  const cursor = cell.cursor.value;
  if (!slicing || !view || !cursor) return;
  const kept = Math.min(slicing.positions.length - 1, Math.max(0, index));
  cursor.value = movedToPlane(cursor.value ?? view.centre, slicing.normal, slicing.positions[kept]!);
}

export const scrollBy = (cell: Cell, slices: number): void => goToSlice(cell, cell.sliceIndex.value + slices);

/** Makes a patient point the one that all linked viewports show. */
export function locate(cell: Cell, point: Vec3): void {
  if (cell.cursor.value) cell.cursor.value.value = point;
}

/** Brings the cursor of a stack's frame of reference to the stack's middle, where it does not lie in the stack. */
export function bringCursorTo(stack: Stack): void {
  const cursor = cursorOf(stack.frameOfReferenceUid);
  if (!cursor.value || !covers(stack, cursor.value)) cursor.value = centreOf(stack);
}
