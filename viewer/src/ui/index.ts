import "./tokens.css";
export * from "./components";
