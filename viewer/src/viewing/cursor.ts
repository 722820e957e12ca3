import { signal, type Signal } from "@preact/signals";
import type { Vec3 } from "../geometry";

const cursors = new Map<string, Signal<Vec3 | undefined>>();

/** The patient point that all viewports of one frame of reference show: each its slice nearest to the point. */
export function cursorOf(key: string): Signal<Vec3 | undefined> {
  const known = cursors.get(key);
  if (known) return known;
  const made = signal<Vec3 | undefined>(undefined);
  cursors.set(key, made);
  return made;
}
