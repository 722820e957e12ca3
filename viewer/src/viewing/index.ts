export * from "./cell";
export * from "./stack_pixels";
