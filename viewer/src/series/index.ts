export * from "./films";
export * from "./frames";
export * from "./grid";
export * from "./multipart";
export * from "./slicing";
export * from "./stacks";
export * from "./suv";
export * from "./values";
