import { Enums, type Types } from "@cornerstonejs/core";
import type { Palette } from "../fusion";
import { negate, norm, normalOf, scale, subtract, type PlaneView, type Size, type Vec3 } from "../geometry";
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

/**
 * The view as Cornerstone's camera: its normal points to the reader, its scale is half the height. It stays as far
 * from the plane as `current` is: Cornerstone sets what it draws in depth by that distance.
 */
export function cameraOf(view: PlaneView, size: Size, current: Types.ICamera): Types.ICamera {
  const away = normalOf(view);
  const distance = norm(subtract(current.position as Vec3, current.focalPoint as Vec3));
  return {
    focalPoint: [...view.centre],
    position: [...subtract(view.centre, scale(away, distance))],
    viewPlaneNormal: [...negate(away)],
    viewUp: [...negate(view.down)],
    parallelScale: (view.mmPerPixel * size.height) / 2,
    parallelProjection: true,
  } as Types.ICamera;
}

/** Renders and resolves when the picture is on the screen, so that no more is asked for than can be drawn. */
export const rendered = (viewport: Pick<Types.IViewport, "element" | "render">): Promise<void> =>
  new Promise((resolve) => {
    viewport.element.addEventListener(Enums.Events.IMAGE_RENDERED, () => resolve(), { once: true });
    viewport.render();
  });

export const ViewportType = Enums.ViewportType;
