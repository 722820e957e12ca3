export { FusionControls } from "./controls";
export { paletteByName, PALETTES, type Palette } from "./palettes";
export { changeFusion, fusion, opacityPoints, overlayFor, type Fusion } from "./store";
