import { expect, it } from "vitest";
import { matching } from "./matching";

const study = (patientName: string, modalities: string[]) => ({
  uid: patientName, patientName, patientId: "7", date: "2026-01-02", time: "", modalities, description: "Head", series: 1, instances: 1,
});

it("finds studies that hold every word", () => {
  const all = [study("Ada Byron", ["CT"]), study("Émile Dubois", ["MR", "PT"])];
  expect(matching(all, "  head byron ").map((found) => found.uid)).toEqual(["Ada Byron"]);
  expect(matching(all, "pt")).toHaveLength(1);
  expect(matching(all, "")).toHaveLength(2);
});
