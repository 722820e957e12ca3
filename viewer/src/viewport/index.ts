export { activeTool, TOOLS, type Handlers, type Tool } from "./interaction";
export { Viewport } from "./viewport";
