import { expect, it } from "vitest";
import { PALETTES } from "./palettes";

/** Entries of the DICOM well-known palettes (PS3.6 annex B.1). */
const KNOWN: Readonly<Record<string, readonly (readonly [number, readonly number[]])[]>> = {
  hot_iron: [[0, [0, 0, 0]], [1, [2, 0, 0]], [128, [255, 0, 0]], [191, [255, 126, 0]], [253, [255, 250, 248]], [255, [255, 255, 255]]],
  pet: [[1, [0, 2, 2]], [64, [1, 126, 127]], [128, [128, 0, 255]], [192, [255, 128, 0]], [255, [255, 255, 255]]],
  pet_20_step: [[0, [0, 0, 0]], [12, [0, 0, 0]], [13, [96, 0, 80]], [127, [48, 144, 48]], [128, [80, 192, 80]], [242, [255, 0, 0]], [243, [255, 255, 255]]],
};

it.each(Object.keys(KNOWN))("%s is DICOM's", (name) => {
  const { table } = PALETTES.find((palette) => palette.name === name)!;
  expect(table).toHaveLength(256);
  for (const [index, colour] of KNOWN[name]!) {
    table[index]!.forEach((value, channel) => expect(Math.abs(value - colour[channel]!)).toBeLessThanOrEqual(2));
  }
});

type Table = readonly (readonly number[])[];
const FILES = JSON.parse((import.meta.env["VITE_PALETTES"] as string | undefined) ?? "{}") as Readonly<Record<string, Table>>;

// Between knots the standard's tables round up or down by one or two.
it.each(Object.keys(FILES))("%s equals its file entry by entry", (name) => {
  const { table } = PALETTES.find((palette) => palette.name === name)!;
  const off = table.map((colour, index) => Math.max(...colour.map((value, channel) => Math.abs(value - FILES[name]![index]![channel]!))));
  expect(Math.max(...off)).toBeLessThanOrEqual(2);
});
