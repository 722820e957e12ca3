export * from "./dataset";
export { TAG } from "./tags";
