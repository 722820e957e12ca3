export { CapturePage as default } from "./capture_page";
