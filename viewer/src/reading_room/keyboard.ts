import { brightnessOf, presetsFor, setWindow } from "../window_level";
import { goToSlice, scrollBy } from "../viewing";
import { activeTool, TOOLS } from "../viewport";
import type { Layout, Room } from "./room";

/** What the help lists: keys and what they do. */
export const KEYS: readonly (readonly [keys: string, what: string])[] = [
  ["↑ ↓", "one slice"],
  ["Page ↑ Page ↓", "ten slices"],
  ["Home End", "first and last slice"],
  ...TOOLS.map(({ key, title }) => [key.toUpperCase(), `${title} with the left button`] as const),
  ["+ −", "zoom"],
  ["I", "invert"],
  ["R", "reset"],
  ["1 … 9", "window preset"],
  ["F1 F2 F3", "one picture, three planes, side by side"],
  ["? Esc", "open and close this help"],
];

const LAYOUT_KEYS: Readonly<Record<string, Layout>> = { F1: "single", F2: "mpr", F3: "compare" };

const STEPS: Readonly<Record<string, number>> = { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10 };

/** Does what a key stands for; false where it stands for nothing. */
export function pressed(room: Room, key: string): boolean {
  const cell = room.active.value;
  const stack = cell.stack.value;
  const last = (cell.slicing.value?.positions.length ?? 1) - 1;
  const step = STEPS[key];
  const tool = TOOLS.find((candidate) => candidate.key === key.toLowerCase());
  const layout = LAYOUT_KEYS[key];
  const preset = stack && presetsFor(stack.modality, stack.scale.unit)[Number(key) - 1];
  if (step !== undefined) scrollBy(cell, step);
  else if (key === "Home" || key === "End") goToSlice(cell, key === "Home" ? 0 : last);
  else if (tool) activeTool.value = tool.tool;
  else if (layout) room.setLayout(layout);
  else if (preset) setWindow(stack, preset.window, room.compared.value);
  else if (key === "+" || key === "=" || key === "-") zoomBy(room, key === "-" ? 1 / 1.25 : 1.25);
  else if (key.toLowerCase() === "i" && stack) brightnessOf(stack).inverted.value = !brightnessOf(stack).inverted.value;
  else if (key.toLowerCase() === "r") room.reset();
  else if (key === "?") room.helpShown.value = !room.helpShown.value;
  else return false;
  return true;
}

function zoomBy(room: Room, factor: number): void {
  const cell = room.active.value;
  const view = cell.view.value;
  if (view) room.setCamera(cell, { centre: view.centre, mmPerPixel: view.mmPerPixel / factor });
}
