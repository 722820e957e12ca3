export interface ScaleBar {
  readonly pixels: number;
  readonly label: string;
}

/** The longest bar of 1, 2 or 5 times a power of ten millimetres that is at most `maxPixels` long. */
export function scaleBar(mmPerPixel: number, maxPixels: number): ScaleBar {
  const longest = mmPerPixel * maxPixels;
  const power = 10 ** Math.floor(Math.log10(longest));
  const mm = ([5, 2, 1].find((step) => step * power <= longest) ?? 1) * power;
  const label = mm >= 10 ? `${mm / 10} cm` : mm >= 0.1 ? `${Number(mm.toPrecision(1))} mm` : `${Number((mm * 1000).toPrecision(1))} µm`;
  return { pixels: mm / mmPerPixel, label };
}
