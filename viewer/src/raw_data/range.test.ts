import { expect, it } from "vitest";
import type { Parameter } from "../api";
import { choiceOf, problemOf, titleOf } from "./range";

const parameter = (changes: Partial<Parameter>): Parameter => ({
  name: "max_iterations",
  kind: "integer",
  default: 3,
  choices: [],
  optional: false,
  description: "",
  unit: "1",
  minimum: 1,
  maximum: 500,
  step: null,
  ...changes,
});

it("takes both ends and what is between", () => {
  expect(["1", "500", "007", "3e1"].map((text) => problemOf(parameter({}), text))).toEqual(["", "", "", ""]);
  expect(problemOf(parameter({ kind: "number" }), "2.5")).toBe("");
  expect(problemOf(parameter({ minimum: null, maximum: null }), "-1e9")).toBe("");
});

it("says the range and the unit of what it refuses", () => {
  expect(problemOf(parameter({}), "5000")).toBe("Max iterations: expected 1 to 500");
  expect(problemOf(parameter({}), "2.5")).toBe("Max iterations: expected a whole number, 1 to 500");
  const width = { name: "width", kind: "number", unit: "mm" } as const;
  expect(problemOf(parameter({ ...width, minimum: 0, maximum: null }), "-1")).toBe("Width: expected at least 0 mm");
  expect(problemOf(parameter({ ...width, minimum: null, maximum: 2 }), "3")).toBe("Width: expected at most 2 mm");
  expect(problemOf(parameter({ ...width, minimum: null, maximum: null }), "")).toBe("Width: expected a number, mm");
});

it("names parameters without their unit, and choices as the field writes them", () => {
  expect(titleOf({ name: "field_of_view_mm", unit: "mm" })).toBe("Field of view");
  expect(titleOf({ name: "filter_mm", unit: "1" })).toBe("Filter mm");
  expect(["ram_lak", "hann", "root_sum_of_squares"].map(choiceOf)).toEqual(["Ram-Lak", "Hann", "Root sum of squares"]);
});
