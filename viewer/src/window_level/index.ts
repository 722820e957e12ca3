export { WindowControls } from "./controls";
export { digitsOf, dragged, presetsFor } from "./presets";
export { brightnessOf, chooseWindow, resetBrightness, sameKind, setWindow } from "./store";
