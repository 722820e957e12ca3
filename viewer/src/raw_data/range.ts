import type { Parameter } from "../api";

/** "max_iterations" as "Max iterations". */
export const titleOf = (name: string): string => {
  const words = name.replaceAll("_", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
};

export const unitOf = ({ unit }: Parameter): string => (unit === "1" ? "" : unit);

/** Why a text is no value of a number parameter, with what is: "Iterations: expected 1 to 500"; empty where it is one. */
export function problemOf(parameter: Parameter, text: string): string {
  const { minimum, maximum } = parameter;
  const value = Number(text);
  const numeric = text.trim() !== "" && Number.isFinite(value) && (parameter.kind !== "integer" || Number.isInteger(value));
  if (numeric && value >= (minimum ?? -Infinity) && value <= (maximum ?? Infinity)) return "";
  const kind = numeric ? "" : parameter.kind === "integer" ? "a whole number" : "a number";
  const range = [rangeOf(parameter), unitOf(parameter)].filter(Boolean).join(" ");
  return `${titleOf(parameter.name)}: expected ${[kind, range].filter(Boolean).join(", ")}`;
}

function rangeOf({ minimum, maximum }: Parameter): string {
  if (minimum !== null && maximum !== null) return `${minimum} to ${maximum}`;
  if (minimum !== null) return `at least ${minimum}`;
  return maximum !== null ? `at most ${maximum}` : "";
}
