export { RawDataPanel } from "./raw_data_panel";
