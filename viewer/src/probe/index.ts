export { describe, format, readAt, type Reading } from "./probe";
