import { expect, it } from "vitest";
import { formatDate, formatTime, numbers, personName, texts } from ".";

it("reads a person's name as it is said", () => {
  const name = (value: unknown) => personName({ "00100010": { vr: "PN", Value: [value] } }, "00100010");
  expect(name({ Alphabetic: "Curie^Marie^Salomea^Dr^PhD" })).toBe("Dr Marie Salomea Curie, PhD");
  expect(name({ Ideographic: "山田^太郎" })).toBe("太郎 山田");
  expect(name({ Alphabetic: "ANON" })).toBe("ANON");
  expect(personName({}, "00100010")).toBe("");
});

it("leaves out what is no number and trims texts", () => {
  const element = { "00280030": { vr: "DS", Value: [1.5, null, "2.5", "x"] } };
  expect(numbers(element, "00280030")).toEqual([1.5, 2.5]);
  expect(texts({ "00080060": { vr: "CS", Value: [" CT ", null] } }, "00080060")).toEqual(["CT"]);
});

it("formats dates and times", () => {
  expect(formatDate("20260131")).toBe("2026-01-31");
  expect(formatDate("unknown")).toBe("unknown");
  expect(formatTime("093015.25")).toBe("09:30");
});
