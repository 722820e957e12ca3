/** Vectors in patient coordinates: LPS millimetres (x to the left, y to posterior, z to the head). */
export type Vec3 = readonly [number, number, number];

export const add = (a: Vec3, b: Vec3): Vec3 => [a[0] + b[0], a[1] + b[1], a[2] + b[2]];
export const subtract = (a: Vec3, b: Vec3): Vec3 => [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
export const scale = (a: Vec3, factor: number): Vec3 => [a[0] * factor, a[1] * factor, a[2] * factor];
export const negate = (a: Vec3): Vec3 => scale(a, -1);
export const dot = (a: Vec3, b: Vec3): number => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
export const norm = (a: Vec3): number => Math.sqrt(dot(a, a));
export const cross = (a: Vec3, b: Vec3): Vec3 => [
  a[1] * b[2] - a[2] * b[1],
  a[2] * b[0] - a[0] * b[2],
  a[0] * b[1] - a[1] * b[0],
];

/** `a` with length 1; throws where it has none. */
export function normalize(a: Vec3): Vec3 {
  const length = norm(a);
  if (!(length > 0)) throw new RangeError("a direction has no length");
  return scale(a, 1 / length);
}

/** `point` moved along `normal` (length 1) until its projection on `normal` is `position`. */
export const movedToPlane = (point: Vec3, normal: Vec3, position: number): Vec3 =>
  add(point, scale(normal, position - dot(point, normal)));

/** Whether two directions of length 1 point the same way within `tolerance` (1 − cosine). */
export const sameDirection = (a: Vec3, b: Vec3, tolerance = 1e-4): boolean => 1 - dot(a, b) < tolerance;
