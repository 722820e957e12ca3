import { cache, Enums, volumeLoader, type Types } from "@cornerstonejs/core";
import vtkColorTransferFunction from "@kitware/vtk.js/Rendering/Core/ColorTransferFunction.js";
import vtkPiecewiseFunction from "@kitware/vtk.js/Common/DataModel/PiecewiseFunction.js";
import type { Palette } from "../fusion";
import { resampled, type Grid, type Values, type Window } from "../series";
import { gridOnce, type StackPixels } from "../viewing";
import { renderingEngine } from "./engine";
import { cameraOf, rendered, ViewportType, type Overlay, type Scene, type SliceRenderer } from "./scene";

/** "derived:" keeps Cornerstone from asking an image loader for the volume's slices. */
const volumeIdOf = (pixels: StackPixels): string => `derived:volume/${pixels.stack.key}`;

/** Puts a stack into Cornerstone as a volume, once all its frames are here. */
async function ensureVolume(pixels: StackPixels): Promise<void> {
  const id = volumeIdOf(pixels);
  await pixels.all();
  if (cache.getVolume(id)) return;
  const grid = gridOnce(pixels.stack);
  if (typeof grid === "string") throw new RangeError(grid);
  volumeLoader.createLocalVolume(id, {
    scalarData: gridValues(pixels, grid) as Types.PixelDataTypedArray,
    dimensions: [...grid.dimensions],
    spacing: [...grid.spacing],
    origin: [...grid.origin],
    direction: [...grid.right, ...grid.down, ...grid.normal],
    metadata: metadataOf(pixels, grid),
  });
}

function gridValues(pixels: StackPixels, grid: Grid): Values {
  if (grid.regular) return pixels.values;
  let lowest = Infinity;
  for (const value of pixels.values) if (value < lowest) lowest = value;
  return resampled(pixels.stack, grid, (index) => pixels.frame(index), lowest);
}

function metadataOf(pixels: StackPixels, grid: Grid): Types.Metadata {
  const bits = pixels.values.BYTES_PER_ELEMENT * 8;
  return {
    BitsAllocated: bits,
    BitsStored: bits,
    SamplesPerPixel: 1,
    HighBit: bits - 1,
    PhotometricInterpretation: "MONOCHROME2",
    PixelRepresentation: 1,
    Modality: pixels.stack.modality,
    SeriesInstanceUID: pixels.stack.seriesUid,
    ImageOrientationPatient: [...grid.right, ...grid.down],
    PixelSpacing: [grid.spacing[1], grid.spacing[0]],
    FrameOfReferenceUID: pixels.stack.frameOfReferenceUid,
    Columns: grid.dimensions[0],
    Rows: grid.dimensions[1],
    voiLut: [],
    VOILUTFunction: "LINEAR_EXACT",
  };
}

interface VolumeProperty {
  setRGBTransferFunction(component: number, transfer: unknown): void;
  setScalarOpacity(component: number, opacity: unknown): void;
  setInterpolationTypeToLinear(): void;
}

/** Draws planes through volumes, with one laid over the other where asked. */
export class VolumeRenderer implements SliceRenderer {
  private readonly viewport: Types.IVolumeViewport;
  private shown = "";
  private readonly painted = new Map<string, string>();

  constructor(
    private readonly id: string,
    element: HTMLDivElement,
  ) {
    renderingEngine().enableElement({
      viewportId: id,
      element,
      type: ViewportType.ORTHOGRAPHIC,
      // Each drawing sets the camera; this only has to be a plane.
      defaultOptions: { orientation: { viewPlaneNormal: [0, 0, -1], viewUp: [0, -1, 0] } },
    });
    this.viewport = renderingEngine().getViewport(id) as Types.IVolumeViewport;
  }

  async draw({ pixels, overlay, view, size, window, inverted }: Scene): Promise<void> {
    await Promise.all([ensureVolume(pixels), overlay && ensureVolume(overlay.pixels)]);
    const inputs = [
      { volumeId: volumeIdOf(pixels) },
      // A single plane has one sample: its maximum is the sample itself, so that opacity is exactly what was asked.
      ...(overlay ? [{ volumeId: volumeIdOf(overlay.pixels), blendMode: Enums.BlendModes.MAXIMUM_INTENSITY_BLEND }] : []),
    ];
    const key = inputs.map(({ volumeId }) => volumeId).join();
    const changed = this.shown !== key;
    if (changed) {
      await this.viewport.setVolumes(inputs);
      this.shown = key;
      this.painted.clear();
    }
    this.paintBase(pixels, window, inverted);
    if (overlay) this.paintOverlay(overlay);
    this.viewport.setCamera(cameraOf(view, size, this.viewport.getCamera()));
    // The rendering that uploads a volume's texture does not show it yet.
    if (changed) await rendered(this.viewport);
    await rendered(this.viewport);
  }

  private paintBase(pixels: StackPixels, window: Window, inverted: boolean): void {
    this.paint(pixels, JSON.stringify([window, inverted]), (property) => {
      const transfer = vtkColorTransferFunction.newInstance();
      const [low, high] = inverted ? [1, 0] : [0, 1];
      transfer.addRGBPoint(window.lower, low, low, low);
      transfer.addRGBPoint(window.upper, high, high, high);
      property.setRGBTransferFunction(0, transfer);
      property.setScalarOpacity(0, piecewise([[window.lower, 1]]));
    });
  }

  private paintOverlay({ pixels, window, palette, opacity }: Overlay): void {
    this.paint(pixels, JSON.stringify([window, palette.name, opacity]), (property) => {
      property.setRGBTransferFunction(0, coloured(palette, window));
      property.setScalarOpacity(0, piecewise(opacity));
    });
  }

  /** Sets a volume's colours, where they are not those that it has. */
  private paint(pixels: StackPixels, state: string, set: (property: VolumeProperty) => void): void {
    const id = volumeIdOf(pixels);
    if (this.painted.get(id) === state) return;
    const entry = this.viewport.getActors().find((candidate) => candidate.referencedId === id);
    if (!entry) return;
    const property = (entry.actor as unknown as { getProperty(): VolumeProperty }).getProperty();
    property.setInterpolationTypeToLinear();
    set(property);
    this.painted.set(id, state);
  }

  resize(): void {
    renderingEngine().resize(true, true);
  }

  destroy(): void {
    renderingEngine().disableElement(this.id);
  }
}

function coloured({ table }: Palette, window: Window): unknown {
  const transfer = vtkColorTransferFunction.newInstance();
  const width = window.upper - window.lower;
  table.forEach(([red, green, blue], index) => {
    transfer.addRGBPoint(window.lower + (width * (index + 0.5)) / table.length, red / 255, green / 255, blue / 255);
  });
  return transfer;
}

function piecewise(points: readonly (readonly [number, number])[]): unknown {
  const opacity = vtkPiecewiseFunction.newInstance();
  for (const [value, part] of points) opacity.addPoint(value, part);
  return opacity;
}
