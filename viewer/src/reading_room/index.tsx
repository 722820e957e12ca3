export { ReadingRoom as default } from "./reading_room";
