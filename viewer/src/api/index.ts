export * from "./client";
export { messageOf, request, requestJson, ServerError } from "./http";
export * from "./types";
