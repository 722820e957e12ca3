import type { Parameter } from "../api";

const capital = (words: string): string => words.charAt(0).toUpperCase() + words.slice(1);

/** "max_iterations" as "Max iterations"; a unit at the end of the name is shown as such. */
export const titleOf = ({ name, unit }: Pick<Parameter, "name" | "unit">): string => {
  const end = `_${unit}`;
  return capital((name.endsWith(end) ? name.slice(0, -end.length) : name).replaceAll("_", " "));
};

/** Choices that are called after people. */
const PROPER: Readonly<Record<string, string>> = { ram_lak: "Ram-Lak", shepp_logan: "Shepp-Logan", pipe_menon: "Pipe and Menon" };

/** "root_sum_of_squares" as "Root sum of squares". */
export const choiceOf = (choice: string): string => PROPER[choice] ?? capital(choice.replaceAll("_", " "));

export const unitOf = ({ unit }: Parameter): string => (unit === "1" ? "" : unit);

/** Why a text is no value of a number parameter, with what is: "Iterations: expected 1 to 500"; empty where it is one. */
export function problemOf(parameter: Parameter, text: string): string {
  const { minimum, maximum } = parameter;
  const value = Number(text);
  const numeric = text.trim() !== "" && Number.isFinite(value) && (parameter.kind !== "integer" || Number.isInteger(value));
  if (numeric && value >= (minimum ?? -Infinity) && value <= (maximum ?? Infinity)) return "";
  const kind = numeric ? "" : parameter.kind === "integer" ? "a whole number" : "a number";
  const range = [rangeOf(parameter), unitOf(parameter)].filter(Boolean).join(" ");
  return `${titleOf(parameter)}: expected ${[kind, range].filter(Boolean).join(", ")}`;
}

function rangeOf({ minimum, maximum }: Parameter): string {
  if (minimum !== null && maximum !== null) return `${minimum} to ${maximum}`;
  if (minimum !== null) return `at least ${minimum}`;
  return maximum !== null ? `at most ${maximum}` : "";
}
