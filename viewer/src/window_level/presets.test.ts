import { expect, it } from "vitest";
import { digitsOf, dragged, percentileWindow, presetsFor, uptakeWindow } from "./presets";

it("leaves out the extremes of the values", () => {
  const values = Float32Array.from({ length: 10001 }, (_, index) => index);
  expect(percentileWindow(values)).toEqual({ lower: 100, upper: 9950 });
});

it("gives a usable window for constant and empty pictures", () => {
  expect(percentileWindow(new Float32Array(50).fill(3))).toEqual({ lower: 3, upper: 4 });
  expect(percentileWindow(new Float32Array(5).fill(NaN))).toEqual({ lower: 0, upper: 1 });
});

it("widens to the right and darkens downwards, and never turns over", () => {
  const wider = dragged({ lower: -100, upper: 200 }, 30, 0);
  expect([wider.lower, wider.upper]).toEqual([-115, 215]);
  const darker = dragged({ lower: -100, upper: 200 }, 0, 30);
  expect([darker.lower, darker.upper]).toEqual([-70, 230]);
  const narrow = dragged({ lower: -100, upper: 200 }, -5000, 0);
  expect(narrow.upper).toBeGreaterThan(narrow.lower);
});

it("offers presets where the unit is known", () => {
  expect(presetsFor("CT", "HU")[0]).toEqual({ name: "Soft tissue", window: { lower: -160, upper: 240 } });
  expect(presetsFor("PT", "Bq/ml")).toEqual([]);
});

it("opens uptake pictures with a usual range", () => {
  const upTo = (highest: number) => uptakeWindow(Float32Array.from({ length: 1000 }, (_, index) => (index / 1000) * highest)).upper;
  expect([1, 6, 12, 300].map(upTo)).toEqual([5, 7, 15, 20]);
});

it("shows as many digits as the width needs", () => {
  expect([400, 7, 0.05, 0.0005].map((width) => digitsOf({ lower: 0, upper: width }))).toEqual([0, 2, 4, 6]);
});
