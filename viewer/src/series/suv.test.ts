import { describe, expect, it } from "vitest";
import { petScale } from "./suv";
import { dataset } from "./testing";

const tracer = (more = {}) =>
  dataset({ RadionuclideTotalDose: 4e8, RadionuclideHalfLife: 6000, RadiopharmaceuticalStartTime: "100000", ...more });
const pet = (more: Parameters<typeof dataset>[0] = {}) =>
  dataset({
    Units: "BQML",
    CorrectedImage: ["ATTN", "DECY"],
    DecayCorrection: "START",
    PatientWeight: 80,
    SeriesDate: "20260101",
    SeriesTime: "114000",
    AcquisitionDate: "20260101",
    AcquisitionTime: "114000",
    RadiopharmaceuticalInformationSequence: [tracer()],
    ...more,
  });

/** Headers of several makers with their expected factors, handed over by the Python tests where they are at hand. */
interface VendorCase {
  readonly name: string;
  readonly expected: number;
  readonly instances: readonly Parameters<typeof dataset>[0][];
  readonly tracer: Parameters<typeof dataset>[0];
}
const VENDORS = JSON.parse((import.meta.env["VITE_SUV_CASES"] as string | undefined) ?? "[]") as VendorCase[];

it.each(VENDORS)("$name has its factor", ({ expected, instances, tracer: info }) => {
  const headers = instances.map((header) =>
    dataset({ ...header, RadiopharmaceuticalInformationSequence: [dataset(info)] }),
  );
  expect(Math.abs(petScale(headers).factor / expected - 1)).toBeLessThan(1e-6);
});

describe("SUV", () => {
  it("divides by the activity left one half-life after injection", () => {
    // 80 kg in grams over 4e8 Bq halved once (100 min = 6000 s).
    expect(petScale([pet()])).toMatchObject({ factor: 80000 / 2e8, unit: "SUV g/ml", sourceUnit: "Bq/ml" });
  });

  it("does not decay where values refer to the injection", () => {
    expect(petScale([pet({ DecayCorrection: "ADMIN" })]).factor).toBe(80000 / 4e8);
  });

  it("reads an injection before midnight as the day before", () => {
    const late = pet({ RadiopharmaceuticalInformationSequence: [tracer({ RadiopharmaceuticalStartTime: "233000" })], SeriesTime: "011000", AcquisitionTime: "011000" });
    expect(petScale([late]).factor).toBeCloseTo(80000 / 2e8, 12);
  });

  it("goes back to the frame's start where the series was made after the scan", () => {
    // A frame of 600 s whose reference time is its mean-activity time: the scan starts at its acquisition time.
    const decay = Math.LN2 / 6000;
    const lost = decay * 600;
    const mean = Math.log(lost / -Math.expm1(-lost)) / decay;
    const again = pet({ SeriesTime: "150000", FrameReferenceTime: mean * 1000, ActualFrameDuration: 600000 });
    expect(petScale([again]).factor).toBeCloseTo(80000 / 2e8, 9);
  });

  it("leaves SUV as it is and other units with the reason", () => {
    expect(petScale([pet({ Units: "GML" })])).toEqual({ factor: 1, unit: "SUV g/ml" });
    expect(petScale([pet({ PatientWeight: [] })]).note).toContain("weight");
    expect(petScale([pet({ CorrectedImage: ["DECY"] })]).note).toContain("attenuation");
    expect(petScale([pet({ DecayCorrection: "NONE" })]).note).toContain("NONE");
    expect(petScale([pet({ RadiopharmaceuticalInformationSequence: [] })])).toMatchObject({ factor: 1, unit: "Bq/ml" });
  });

  it("uses the private factor of counts", () => {
    expect(petScale([pet({ Units: "CNTS", PhilipsSUVScaleFactor: 0.0005 })]).factor).toBe(0.0005);
    expect(petScale([pet({ Units: "CNTS" })]).note).toContain("scale factor");
  });
});
