export * from "./admin";
export * from "./capture";
export * from "./access";
export * from "./client";
export { isSilent, messageOf, request, requestJson, ServerError } from "./http";
export * from "./types";
