import {
  Enums,
  imageLoader,
  init,
  metaData,
  RenderingEngine,
  type Types,
} from "@cornerstonejs/core";
import { normalOf } from "../geometry";
import { pixelsByKey, type StackPixels } from "../viewing";

/** Cornerstone asks for pictures by these names. */
const SCHEME = "pellucid";
export const imageIdOf = (pixels: StackPixels, index: number): string => `${SCHEME}:${pixels.stack.key}#${index}`;

function find(imageId: string): { pixels: StackPixels; index: number } | undefined {
  const match = /^pellucid:(.*)#(\d+)$/.exec(imageId);
  const pixels = match && pixelsByKey(match[1]!);
  return match && pixels ? { pixels, index: Number(match[2]) } : undefined;
}

async function loadImage(imageId: string): Promise<Types.IImage> {
  const { pixels, index } = find(imageId)!;
  await pixels.load(index);
  const values = pixels.frame(index);
  const plane = pixels.stack.planes[index]!;
  const format = pixels.stack.frames[index]!.pixels;
  let [minimum, maximum] = [Infinity, -Infinity];
  for (const value of values) {
    if (value < minimum) minimum = value;
    if (value > maximum) maximum = value;
  }
  return {
    imageId,
    minPixelValue: minimum,
    maxPixelValue: maximum,
    // The values are already in the unit that is shown.
    slope: 1,
    intercept: 0,
    windowCenter: (minimum + maximum) / 2,
    windowWidth: Math.max(maximum - minimum, 1e-6),
    voiLUTFunction: Enums.VOILUTFunctionType.LINEAR_EXACT,
    getPixelData: () => values,
    getCanvas: undefined as unknown as () => HTMLCanvasElement,
    rows: format.rows,
    columns: format.columns,
    height: format.rows,
    width: format.columns,
    color: format.rendered,
    rgba: false,
    numberOfComponents: format.rendered ? 3 : 1,
    columnPixelSpacing: plane.columnSpacing,
    rowPixelSpacing: plane.rowSpacing,
    invert: false,
    sizeInBytes: values.byteLength,
    dataType: values.constructor.name as Types.PixelDataTypedArrayString,
    imageFrame: {} as Types.IImageFrame,
  };
}

function provideMetadata(type: string, imageId: string): unknown {
  const found = typeof imageId === "string" ? find(imageId) : undefined;
  if (!found) return undefined;
  const { stack } = found.pixels;
  if (type === Enums.MetadataModules.IMAGE_PLANE) return imagePlane(found.pixels, found.index);
  if (type === Enums.MetadataModules.GENERAL_SERIES) {
    return { modality: stack.modality, seriesInstanceUID: stack.seriesUid };
  }
  if (type === Enums.MetadataModules.IMAGE_PIXEL) return imagePixel(found.pixels, found.index);
  return undefined;
}

function imagePlane({ stack }: StackPixels, index: number): unknown {
  const plane = stack.planes[index]!;
  const { rows, columns } = stack.frames[index]!.pixels;
  return {
    frameOfReferenceUID: stack.frameOfReferenceUid,
    rows,
    columns,
    imageOrientationPatient: [...plane.right, ...plane.down],
    rowCosines: [...plane.right],
    columnCosines: [...plane.down],
    imagePositionPatient: [...plane.origin],
    pixelSpacing: [plane.rowSpacing, plane.columnSpacing],
    rowPixelSpacing: plane.rowSpacing,
    columnPixelSpacing: plane.columnSpacing,
    normal: normalOf(plane),
  };
}

function imagePixel(pixels: StackPixels, index: number): unknown {
  const { rows, columns, rendered } = pixels.stack.frames[index]!.pixels;
  const bits = pixels.values.BYTES_PER_ELEMENT * 8;
  return {
    rows,
    columns,
    samplesPerPixel: rendered ? 3 : 1,
    photometricInterpretation: rendered ? "RGB" : "MONOCHROME2",
    bitsAllocated: bits,
    bitsStored: bits,
    highBit: bits - 1,
    pixelRepresentation: pixels.values instanceof Int16Array ? 1 : 0,
  };
}

let engine: RenderingEngine | undefined;

/** The one rendering engine of the page. */
export function renderingEngine(): RenderingEngine {
  if (engine) return engine;
  init();
  imageLoader.registerImageLoader(SCHEME, (imageId: string) => ({ promise: loadImage(imageId) as Promise<Record<string, unknown> & Types.IImage> }));
  metaData.addProvider(provideMetadata as Parameters<typeof metaData.addProvider>[0], 100);
  engine = new RenderingEngine("pellucid");
  return engine;
}
