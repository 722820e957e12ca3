import { signal } from "@preact/signals";
import { panned, toPatient, zoomed, type PlaneView, type Point } from "../geometry";
import type { Window } from "../series";
import { locate, scrollBy, type Camera, type Cell } from "../viewing";
import { brightnessOf, dragged } from "../window_level";

/** What the left mouse button (or a finger) does. */
export type Tool = "window" | "scroll" | "pan" | "zoom" | "locate";

export const TOOLS: readonly { readonly tool: Tool; readonly title: string; readonly key: string; readonly hint: string }[] = [
  { tool: "window", title: "Window", key: "w", hint: "Drag: right widens, down darkens" },
  { tool: "scroll", title: "Scroll", key: "s", hint: "Drag up and down through the slices" },
  { tool: "pan", title: "Pan", key: "p", hint: "Drag the picture (also with the middle button)" },
  { tool: "zoom", title: "Zoom", key: "z", hint: "Drag up to magnify (also with the right button, or Ctrl and the wheel)" },
  { tool: "locate", title: "Locate", key: "c", hint: "Show the point under the pointer in all linked viewports" },
];

export const activeTool = signal<Tool>("window");

/** What a viewport's owner lets the pointer change. */
export interface Handlers {
  setCamera(camera: Camera): void;
  setWindow(window: Window): void;
}

/** Pixels of a drag for one slice. */
const PIXELS_PER_SLICE = 8;

const toolOf = (button: number): Tool => (button === 1 ? "pan" : button === 2 ? "zoom" : activeTool.value);

export const pointOf = (event: MouseEvent, element: Element): Point => {
  const box = element.getBoundingClientRect();
  return [event.clientX - box.left, event.clientY - box.top];
};

/** Starts a drag; returns what to call while the pointer moves. */
export function startDrag(event: PointerEvent, element: Element, cell: Cell, handlers: Handlers): ((event: PointerEvent) => void) | undefined {
  const tool = toolOf(event.button);
  const view = cell.view.value;
  const stack = cell.stack.value;
  if (!view || !stack) return undefined;
  const start = pointOf(event, element);
  const window = brightnessOf(stack).window.value;
  let slices = 0;
  const at = (move: PointerEvent): void => {
    const [x, y] = pointOf(move, element);
    const [dx, dy] = [x - start[0], y - start[1]];
    if (tool === "locate") locate(cell, toPatient(cell.view.value ?? view, cell.size.value, [x, y]));
    else if (tool === "pan") handlers.setCamera({ centre: panned(view, dx, dy), mmPerPixel: view.mmPerPixel });
    else if (tool === "zoom") handlers.setCamera(zoomed(view, cell.size.value, start, 2 ** (-dy / 120)));
    else if (tool === "window" && window) handlers.setWindow(dragged(window, dx, dy));
    else if (tool === "scroll") {
      const wanted = Math.round(dy / PIXELS_PER_SLICE);
      scrollBy(cell, wanted - slices);
      slices = wanted;
    }
  };
  if (tool === "locate") at(event);
  return at;
}

/** The camera after a turn of the wheel with Ctrl held. */
export const wheelZoom = (view: PlaneView, cell: Cell, at: Point, deltaY: number): Camera =>
  zoomed(view, cell.size.value, at, 2 ** (-deltaY / 300));

let turned = 0;

/** Whole slices for a turn of the wheel: a notch is one; a touchpad's small turns add up. */
export function wheelSlices(event: WheelEvent): number {
  if (event.deltaMode !== WheelEvent.DOM_DELTA_PIXEL) return Math.sign(event.deltaY);
  if (Math.abs(event.deltaY) >= 50) {
    turned = 0;
    return Math.sign(event.deltaY);
  }
  turned += event.deltaY;
  const slices = Math.trunc(turned / 25);
  turned -= slices * 25;
  return slices;
}
