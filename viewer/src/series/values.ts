import type { Frame, PixelFormat } from "./frames";
import type { Stack } from "./stacks";

/** Values as the reader is shown them (Hounsfield units, SUV …), or RGB bytes. */
export type Values = Int16Array<ArrayBuffer> | Uint16Array<ArrayBuffer> | Float32Array<ArrayBuffer> | Uint8Array<ArrayBuffer>;

/** Room for all frames of a stack, in the smallest type that holds every value exactly (or in single precision). */
export function allocate(stack: Stack): Values {
  const { rows, columns, rendered } = stack.frames[0]!.pixels;
  const length = rows * columns * stack.frames.length * (rendered ? 3 : 1);
  const type = typeFor(stack);
  try {
    return new type(length);
  } catch {
    const size = ((length * type.BYTES_PER_ELEMENT) / 2 ** 30).toFixed(1);
    throw new RangeError(`the series needs ${size} GiB of memory, more than this browser gives; close other pages`);
  }
}

function typeFor(stack: Stack): Int16ArrayConstructor | Uint16ArrayConstructor | Float32ArrayConstructor | Uint8ArrayConstructor {
  if (stack.frames[0]!.pixels.rendered) return Uint8Array;
  const [lowest, highest, whole] = valueRange(stack);
  if (whole && lowest >= -32768 && highest <= 32767) return Int16Array;
  return whole && lowest >= 0 && highest <= 65535 ? Uint16Array : Float32Array;
}

function valueRange(stack: Stack): [lowest: number, highest: number, whole: boolean] {
  let [lowest, highest] = [Infinity, -Infinity];
  let whole = stack.scale.factor === 1;
  for (const { pixels, slope, intercept } of stack.frames) {
    const bits = pixels.signed ? pixels.bitsStored - 1 : pixels.bitsStored;
    const ends = [pixels.signed ? -(2 ** bits) : 0, 2 ** bits - 1].map((end) => end * slope + intercept);
    lowest = Math.min(lowest, ...ends);
    highest = Math.max(highest, ...ends);
    whole &&= !pixels.float && Number.isInteger(slope) && Number.isInteger(intercept);
  }
  return [lowest, highest, whole];
}

/** Number of bytes of one frame, uncompressed. */
export const frameBytes = ({ rows, columns, bitsAllocated }: PixelFormat): number => (rows * columns * bitsAllocated) / 8;

/** Writes a frame's values = (stored · slope + intercept) · factor into `target`; `bytes` is little-endian. */
export function decodeInto(target: Values, bytes: Uint8Array, frame: Frame, factor: number): void {
  const expected = frameBytes(frame.pixels);
  if (bytes.byteLength < expected) {
    throw new RangeError(`the server sent ${bytes.byteLength} bytes for a picture of ${expected}`);
  }
  const stored = storedValues(bytes.slice(0, expected).buffer, frame.pixels);
  const slope = frame.slope * factor;
  const intercept = frame.intercept * factor;
  if (slope === 1 && intercept === 0) target.set(stored);
  else for (let i = 0; i < stored.length; i++) target[i] = stored[i]! * slope + intercept;
}

type Stored = Int8Array | Uint8Array | Int16Array | Uint16Array | Int32Array | Uint32Array | Float32Array | Float64Array;

function storedValues(buffer: ArrayBuffer, format: PixelFormat): Stored {
  const { bitsAllocated, bitsStored, signed, float } = format;
  if (float) return bitsAllocated === 64 ? new Float64Array(buffer) : new Float32Array(buffer);
  const stored =
    bitsAllocated === 8
      ? signed ? new Int8Array(buffer) : new Uint8Array(buffer)
      : bitsAllocated === 16
        ? signed ? new Int16Array(buffer) : new Uint16Array(buffer)
        : signed ? new Int32Array(buffer) : new Uint32Array(buffer);
  // Bits above the stored ones may hold an old-style overlay: they are not part of the value.
  const unused = 32 - bitsStored;
  if (bitsStored < bitsAllocated) {
    for (let i = 0; i < stored.length; i++) {
      const shifted = stored[i]! << unused;
      stored[i] = signed ? shifted >> unused : shifted >>> unused;
    }
  }
  return stored;
}

/** The red, green and blue of RGBA pixels. */
export function rgbInto(target: Values, rgba: Uint8ClampedArray): void {
  for (let from = 0, to = 0; from < rgba.length; from += 4, to += 3) {
    target[to] = rgba[from]!;
    target[to + 1] = rgba[from + 1]!;
    target[to + 2] = rgba[from + 2]!;
  }
}
