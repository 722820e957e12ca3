import { Enums, type Types } from "@cornerstonejs/core";
import type { Palette } from "../fusion";
import { negate, normalOf, subtract, type PlaneView, type Size } from "../geometry";
import { scale } from "../geometry";
import type { Window } from "../series";
import type { StackPixels } from "../viewing";

/** Everything that one viewport has to draw. */
export interface Scene {
  readonly pixels: StackPixels;
  readonly index: number;
  readonly view: PlaneView;
  readonly size: Size;
  readonly window: Window;
  readonly inverted: boolean;
  readonly overlay: Overlay | undefined;
}

export interface Overlay {
  readonly pixels: StackPixels;
  readonly window: Window;
  readonly palette: Palette;
  /** (value, opacity) points. */
  readonly opacity: readonly (readonly [number, number])[];
}

/** Draws scenes into one element. */
export interface SliceRenderer {
  draw(scene: Scene): Promise<void>;
  resize(): void;
  destroy(): void;
}

/** How far the camera is from the plane; only its side matters in a parallel projection [mm]. */
const DISTANCE = 1000;

/** The view as Cornerstone's camera: its normal points to the reader, its scale is half the height. */
export function cameraOf(view: PlaneView, size: Size): Types.ICamera {
  const away = normalOf(view);
  return {
    focalPoint: [...view.centre],
    position: [...subtract(view.centre, scale(away, DISTANCE))],
    viewPlaneNormal: [...negate(away)],
    viewUp: [...negate(view.down)],
    parallelScale: (view.mmPerPixel * size.height) / 2,
    parallelProjection: true,
  } as Types.ICamera;
}

export const ViewportType = Enums.ViewportType;
