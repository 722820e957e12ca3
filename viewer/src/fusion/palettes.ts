/** A colour map: 256 RGB triples, the lowest value first. */
export interface Palette {
  readonly name: string;
  readonly title: string;
  readonly table: readonly (readonly [number, number, number])[];
}

type Rgb = readonly [number, number, number];

/** A table that runs linearly between the given entries. */
function between(...knots: readonly (readonly [index: number, colour: Rgb])[]): Rgb[] {
  return Array.from({ length: 256 }, (_, index) => {
    const after = Math.max(1, knots.findIndex(([at]) => at >= index));
    const [from, low] = knots[after - 1]!;
    const [to, high] = knots[after]!;
    const part = (index - from) / (to - from);
    return [0, 1, 2].map((channel) => Math.round(low[channel]! + (high[channel]! - low[channel]!) * part)) as unknown as Rgb;
  });
}

/** A table of steps of equal length between the first and the last entry. */
const steps = (...colours: readonly Rgb[]): Rgb[] =>
  Array.from({ length: 256 }, (_, index) => colours[Math.min(colours.length - 1, Math.floor((index * colours.length) / 255))]!);

/** Colour palettes of DICOM PS3.6 annex B (Hot Iron, PET, PET 20 Step). */
export const PALETTES: readonly Palette[] = [
  {
    name: "hot_iron",
    title: "Hot iron",
    table: between([0, [0, 0, 0]], [127, [254, 0, 0]], [128, [255, 0, 0]], [191, [255, 126, 0]], [254, [255, 252, 252]], [255, [255, 255, 255]]),
  },
  {
    name: "pet",
    title: "PET",
    table: between([0, [0, 0, 0]], [63, [0, 128, 125]], [64, [1, 126, 127]], [128, [128, 0, 255]], [192, [255, 128, 0]], [255, [255, 255, 255]]),
  },
  {
    name: "pet_20_step",
    title: "PET, 20 steps",
    table: steps(
      [0, 0, 0], [96, 0, 80], [48, 48, 80], [48, 48, 112], [80, 80, 128], [96, 96, 176], [112, 112, 192], [128, 128, 224],
      [48, 96, 48], [48, 144, 48], [80, 192, 80], [64, 224, 64], [224, 224, 80], [208, 208, 96], [208, 176, 64],
      [208, 144, 0], [192, 96, 0], [176, 48, 0], [255, 0, 0], [255, 255, 255],
    ),
  },
  { name: "grey", title: "Grey", table: between([0, [0, 0, 0]], [255, [255, 255, 255]]) },
];

export const paletteByName = (name: string): Palette => PALETTES.find((palette) => palette.name === name) ?? PALETTES[0]!;

/** A palette as a CSS gradient, lowest value at the left. */
export const gradient = ({ table }: Palette): string =>
  `linear-gradient(to right, ${table.filter((_, index) => index % 5 === 0).map((rgb) => `rgb(${rgb.join(" ")})`).join(", ")})`;
