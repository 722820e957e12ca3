export * from "./orientation";
export * from "./plane_view";
export * from "./scale_bar";
export * from "./vector";
