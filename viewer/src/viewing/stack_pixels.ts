import { signal } from "@preact/signals";
import { messageOf, request } from "../api";
import { allocate, decodeInto, firstPart, rgbInto, type Frame, type Stack, type Values } from "../series";

/** Frames are asked for as plain little-endian pixels: on one machine packing them (HTJ2K) takes longer than it saves. */
const PLAIN =
  'application/octet-stream, multipart/related; type="application/octet-stream"; transfer-syntax=1.2.840.10008.1.2.1;q=0.9';

/** Background requests at a time; browsers open six connections to one server. */
const AT_ONCE = 5;

/** The values of all frames of a stack, loaded when needed and in the background. */
export class StackPixels {
  /** How many frames are here. */
  readonly loaded = signal(0);
  /** Why frames are missing; empty where none are. */
  readonly error = signal("");

  private stored: Values | undefined;
  private readonly frameLength: number;
  private readonly loads: (Promise<void> | undefined)[];
  private readonly present: boolean[];
  private centre = 0;
  private running = 0;

  constructor(readonly stack: Stack) {
    const { rows, columns, rendered } = stack.frames[0]!.pixels;
    this.frameLength = rows * columns * (rendered ? 3 : 1);
    this.loads = new Array<undefined>(stack.frames.length);
    this.present = new Array<boolean>(stack.frames.length).fill(false);
  }

  /** All values; room for them is made when the first are needed, and may be lacking. */
  get values(): Values {
    this.stored ??= allocate(this.stack);
    return this.stored;
  }

  /** The values of one frame (zeros until it is loaded), a view into all of them. */
  frame(index: number): Values {
    return this.values.subarray(index * this.frameLength, (index + 1) * this.frameLength) as Values;
  }

  has(index: number): boolean {
    return this.present[index] ?? false;
  }

  /** Loads one frame now. */
  load(index: number): Promise<void> {
    const known = this.loads[index];
    if (known) return known;
    const loading = this.fetchInto(index).then(
      () => {
        this.present[index] = true;
        this.loaded.value += 1;
        this.error.value = "";
      },
      (error: unknown) => {
        this.loads[index] = undefined;
        this.error.value = `Picture ${index + 1} of ${this.stack.frames.length} cannot be loaded: ${messageOf(error)}`;
        throw error;
      },
    );
    this.loads[index] = loading;
    return loading;
  }

  /** Loads all frames in the background, those near `centre` first; another call moves the centre. */
  prefetch(centre: number): void {
    this.centre = centre;
    while (this.running < AT_ONCE && this.startNext()) this.running += 1;
  }

  /** Resolves when every frame is here. */
  async all(): Promise<void> {
    this.error.value = "";
    this.prefetch(this.stack.frames.length >> 1);
    for (let index = 0; index < this.stack.frames.length; index++) await this.load(index);
  }

  private startNext(): boolean {
    const next = this.nearestMissing();
    if (next === undefined || this.error.value) return false;
    const done = (): void => {
      this.running -= 1;
      this.prefetch(this.centre);
    };
    this.load(next).then(done, done);
    return true;
  }

  private nearestMissing(): number | undefined {
    const count = this.loads.length;
    for (let distance = 0; distance < count; distance++) {
      for (const index of [this.centre + distance, this.centre - distance]) {
        if (index >= 0 && index < count && !this.loads[index]) return index;
      }
    }
    return undefined;
  }

  private async fetchInto(index: number): Promise<void> {
    const frame = this.stack.frames[index]!;
    const target = this.frame(index);
    if (frame.pixels.rendered) {
      const picture = await request(`${frame.url}/rendered`, { headers: { Accept: "image/png" } });
      rgbInto(target, await rgbaOf(await picture.blob(), frame));
      return;
    }
    const response = await request(frame.url, { headers: { Accept: PLAIN } });
    const body = new Uint8Array(await response.arrayBuffer());
    decodeInto(target, firstPart(body, response.headers.get("Content-Type") ?? ""), frame, this.stack.scale.factor);
  }
}

async function rgbaOf(picture: Blob, { pixels }: Frame): Promise<Uint8ClampedArray> {
  const bitmap = await createImageBitmap(picture);
  const canvas = new OffscreenCanvas(pixels.columns, pixels.rows);
  const context = canvas.getContext("2d")!;
  context.drawImage(bitmap, 0, 0, pixels.columns, pixels.rows);
  return context.getImageData(0, 0, pixels.columns, pixels.rows).data;
}

const store = new Map<string, StackPixels>();

/** The values of a stack; the same object for the same stack. */
export function pixelsOf(stack: Stack): StackPixels {
  const known = store.get(stack.key);
  if (known) return known;
  const made = new StackPixels(stack);
  store.set(stack.key, made);
  return made;
}

/** The values of a stack by its key, where it has been opened. */
export const pixelsByKey = (key: string): StackPixels | undefined => store.get(key);
