import { normalOf, type Orientation } from "./orientation";
import { add, dot, scale, subtract, type Vec3 } from "./vector";

/** A point on the screen in CSS pixels from a viewport's top left corner. */
export type Point = readonly [number, number];

/** A viewport's size in CSS pixels. */
export interface Size {
  readonly width: number;
  readonly height: number;
}

/** What a viewport shows: the plane through `centre` (the patient point at its middle), and how large. */
export interface PlaneView extends Orientation {
  readonly centre: Vec3;
  readonly mmPerPixel: number;
}

/** Where a patient point, projected on the plane, is on the screen. */
export function toCanvas(view: PlaneView, size: Size, point: Vec3): Point {
  const offset = subtract(point, view.centre);
  return [
    size.width / 2 + dot(offset, view.right) / view.mmPerPixel,
    size.height / 2 + dot(offset, view.down) / view.mmPerPixel,
  ];
}

/** The patient point on the plane that is at a place on the screen. */
export function toPatient(view: PlaneView, size: Size, [x, y]: Point): Vec3 {
  const right = scale(view.right, (x - size.width / 2) * view.mmPerPixel);
  const down = scale(view.down, (y - size.height / 2) * view.mmPerPixel);
  return add(view.centre, add(right, down));
}

/** Distance of a point from the plane, positive away from the reader [mm]. */
export const depthOf = (view: PlaneView, point: Vec3): number => dot(subtract(point, view.centre), normalOf(view));

/** The centre and size that show all of `corners` in a viewport, with a small margin. */
export function fit(orientation: Orientation, corners: readonly Vec3[], size: Size): { centre: Vec3; mmPerPixel: number } {
  const range = (axis: Vec3): [number, number] => {
    const along = corners.map((corner) => dot(corner, axis));
    return [Math.min(...along), Math.max(...along)];
  };
  const normal = normalOf(orientation);
  const [left, right] = range(orientation.right);
  const [top, bottom] = range(orientation.down);
  const [near, far] = range(normal);
  const middle = (a: number, b: number, axis: Vec3): Vec3 => scale(axis, (a + b) / 2);
  const centre = add(
    add(middle(left, right, orientation.right), middle(top, bottom, orientation.down)),
    middle(near, far, normal),
  );
  const mmPerPixel = 1.04 * Math.max((right - left) / size.width, (bottom - top) / size.height);
  return { centre, mmPerPixel: mmPerPixel > 0 ? mmPerPixel : 1 };
}

/** The camera after a drag by (dx, dy) pixels: the picture follows the pointer. */
export function panned(view: PlaneView, dx: number, dy: number): Vec3 {
  const move = add(scale(view.right, -dx * view.mmPerPixel), scale(view.down, -dy * view.mmPerPixel));
  return add(view.centre, move);
}

/** The camera after zooming by `factor` (> 1 magnifies) with the patient point under `at` staying in place. */
export function zoomed(view: PlaneView, size: Size, at: Point, factor: number): { centre: Vec3; mmPerPixel: number } {
  const fixed = toPatient(view, size, at);
  return { centre: add(fixed, scale(subtract(view.centre, fixed), 1 / factor)), mmPerPixel: view.mmPerPixel / factor };
}
