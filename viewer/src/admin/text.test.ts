import { describe, expect, it } from "vitest";
import { bytes, joined, pairsOf, pairsText, split } from "./text";

describe("sizes", () => {
  it("have one digit below ten", () => {
    expect([0, 1023, 1024, 1536, 10 << 20, 3 * 2 ** 40].map(bytes)).toEqual(["0 B", "1023 B", "1.0 KiB", "1.5 KiB", "10 MiB", "3.0 TiB"]);
  });
});

describe("lists and pairs", () => {
  it("come back as they were", () => {
    expect(split(joined(["10.0.0.0/8", "::1"]))).toEqual(["10.0.0.0/8", "::1"]);
    expect(split(" a ,, b ")).toEqual(["a", "b"]);
    const pairs = { Modality: "CT", StudyDescription: "a=b" };
    expect(pairsOf(pairsText(pairs))).toEqual(pairs);
  });
});
