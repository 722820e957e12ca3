import { effect, type Signal } from "@preact/signals";
import type { RefObject } from "preact";
import { useEffect } from "preact/hooks";
import { messageOf } from "../api";
import { changeFusion, fusion, opacityPoints, overlayFor, paletteByName } from "../fusion";
import type { Stack } from "../series";
import { pixelsOf, type Cell } from "../viewing";
import { brightnessOf, chooseWindow } from "../window_level";
import type { Overlay, Scene, SliceRenderer } from "./scene";
import { StackRenderer } from "./stack_renderer";
import { VolumeRenderer } from "./volume_renderer";

/** What a viewport is doing, for its reader. */
export interface Status {
  readonly error: Signal<string>;
  /** Number of pictures drawn. */
  readonly drawn: Signal<number>;
  /** Whether what is shown is not yet what was asked for. */
  readonly busy: Signal<boolean>;
}

/** Keeps the element of `container` showing what the cell's state says. */
export function useRenderer(container: RefObject<HTMLDivElement | null>, cell: Cell, status: Status): void {
  useEffect(() => {
    const host = container.current!;
    const painter = new Painter(host, cell.id, status);
    const stop = effect(() => painter.ask(sceneOf(cell, status), isVolume(cell)));
    const observer = new ResizeObserver(() => {
      cell.size.value = { width: host.clientWidth, height: host.clientHeight };
      painter.resize();
    });
    observer.observe(host);
    return () => {
      stop();
      observer.disconnect();
      painter.destroy();
    };
  }, [cell]);
}

const isVolume = (cell: Cell): boolean =>
  cell.plane !== "acquired" || (cell.stack.value !== undefined && overlayFor(cell.stack.value) !== undefined);

/** What there is to draw; undefined while something that it needs is on its way. */
function sceneOf(cell: Cell, status: Status): Scene | undefined {
  const stack = cell.stack.value;
  const view = cell.view.value;
  if (!stack || !view) return undefined;
  const index = cell.sliceIndex.value;
  const { window, inverted } = brightnessOf(stack);
  const over = overlayFor(stack);
  const overlay = over && overlayScene(over);
  if (!window.value || (over && !overlay)) {
    const missing = over && window.value ? over : stack;
    void prepare(missing, status);
    return undefined;
  }
  return { pixels: pixelsOf(stack), index, view, size: cell.size.value, window: window.value, inverted: inverted.value, overlay };
}

function overlayScene(stack: Stack): Overlay | undefined {
  const { palette, opacity, window } = fusion.value;
  if (!window) return undefined;
  return { pixels: pixelsOf(stack), window, palette: paletteByName(palette), opacity: opacityPoints(window, opacity) };
}

/** Loads a stack's middle picture and chooses its windows from it. */
async function prepare(stack: Stack, status: Status): Promise<void> {
  const middle = stack.frames.length >> 1;
  try {
    await pixelsOf(stack).load(middle);
    chooseWindow(stack, middle);
    const { overlay, window } = fusion.value;
    if (overlay === stack && !window) changeFusion({ window: brightnessOf(stack).window.value });
  } catch (error) {
    status.error.value = messageOf(error);
  }
}

/** Draws the latest scene asked for; those asked for meanwhile are passed over. */
class Painter {
  private renderer: SliceRenderer | undefined;
  private kind: "stack" | "volume" | undefined;
  private next: { scene: Scene; volume: boolean } | undefined;
  private busy = false;
  private gone = false;

  constructor(
    private readonly host: HTMLDivElement,
    private readonly id: string,
    private readonly status: Status,
  ) {}

  ask(scene: Scene | undefined, volume: boolean): void {
    if (!scene) return;
    this.next = { scene, volume };
    if (!this.busy) void this.run();
  }

  private async run(): Promise<void> {
    this.busy = true;
    this.status.busy.value = true;
    while (this.next && !this.gone) {
      const { scene, volume } = this.next;
      this.next = undefined;
      try {
        await this.rendererFor(volume).draw(scene);
        this.status.error.value = "";
        this.status.drawn.value += 1;
        scene.pixels.prefetch(scene.index);
      } catch (error) {
        this.status.error.value = messageOf(error);
      }
    }
    this.busy = false;
    this.status.busy.value = false;
  }

  private rendererFor(volume: boolean): SliceRenderer {
    const kind = volume ? "volume" : "stack";
    if (this.renderer && this.kind === kind) return this.renderer;
    this.renderer?.destroy();
    const element = document.createElement("div");
    element.className = "canvas-host";
    this.host.replaceChildren(element);
    this.kind = kind;
    this.renderer = volume ? new VolumeRenderer(this.id, element) : new StackRenderer(this.id, element);
    return this.renderer;
  }

  resize(): void {
    this.renderer?.resize();
  }

  destroy(): void {
    this.gone = true;
    this.renderer?.destroy();
    this.renderer = undefined;
    this.host.replaceChildren();
  }
}
