import { describe, expect, it } from "vitest";
import { stacksOf } from ".";
import type { Dataset } from "../dicom";
import { dataset, slice } from "./testing";

const mapping = (code: string, slope = 0.5, intercept = -3): Dataset =>
  dataset({
    MeasurementUnitsCodeSequence: [dataset({ CodeValue: code })],
    RealWorldValueSlope: slope,
    RealWorldValueIntercept: intercept,
  });
const rescaled = { RescaleSlope: 0.5, RescaleIntercept: -3 };
const shown = (more: Parameters<typeof dataset>[0]) => {
  const [stack] = stacksOf([slice(1, [0, 0, 0], more)], "/x");
  const { slope, intercept, window } = stack!.frames[0]!;
  return { unit: stack!.scale.unit, slope, intercept, window };
};

describe("units", () => {
  it("of attenuation come from the real-world value mapping", () => {
    const found = shown({ ...rescaled, RescaleType: "US", RealWorldValueMappingSequence: [mapping("cm-1")] });
    expect(found).toMatchObject({ unit: "1/cm", slope: 0.5, intercept: -3 });
  });

  it("of CT are Hounsfield units unless the header says otherwise", () => {
    expect(shown({ ...rescaled }).unit).toBe("HU");
    expect(shown({ ...rescaled, RescaleType: "HU" }).unit).toBe("HU");
    expect(shown({ ...rescaled, RescaleType: "MGML" }).unit).toBe("MGML");
    expect(shown({ ...rescaled, RescaleType: "US" }).unit).toBe("");
    expect(shown({ ...rescaled, RescaleType: "US", RealWorldValueMappingSequence: [mapping("1")] }).unit).toBe("");
  });

  it("that the rescale names are kept whatever a mapping says", () => {
    const found = shown({ ...rescaled, RescaleType: "HU", RealWorldValueMappingSequence: [mapping("g/cm3")] });
    expect(found.unit).toBe("HU");
  });

  it("of a mapping to other values are not those of the rescaled ones", () => {
    const more = { ...rescaled, Modality: "MR", RescaleType: "US" };
    expect(shown({ ...more, RealWorldValueMappingSequence: [mapping("ms", 7, 0)] }).unit).toBe("");
    const second = [mapping("ms", 7, 0), mapping("mm2/s")];
    expect(shown({ ...more, RealWorldValueMappingSequence: second }).unit).toBe("mm²/s");
  });

  it("and values come from the mapping where there is no rescale", () => {
    const window = { WindowCenter: 50, WindowWidth: 100 };
    const found = shown({ Modality: "MR", ...window, RealWorldValueMappingSequence: [mapping("ms", 7, 1)] });
    expect(found).toEqual({ unit: "ms", slope: 7, intercept: 1, window: undefined });
  });

  it("that are none are not shown, and values stay as they are", () => {
    const found = shown({ Modality: "MR", RealWorldValueMappingSequence: [mapping("1", 7, 1)] });
    expect(found).toMatchObject({ unit: "", slope: 1, intercept: 0 });
  });

  it("of positron pictures are those of Units, else of the mapping", () => {
    const more = { ...rescaled, Modality: "PT", RealWorldValueMappingSequence: [mapping("cm-1")] };
    expect(shown({ ...more, Units: "NONE" }).unit).toBe("1/cm");
    expect(shown({ ...more, Units: "CNTS" }).unit).toBe("counts");
  });

  it("of enhanced objects come from the functional groups", () => {
    const groups = dataset({
      PixelValueTransformationSequence: [dataset({ ...rescaled, RescaleType: "US" })],
      RealWorldValueMappingSequence: [mapping("[ppm]")],
    });
    expect(shown({ Modality: "MR", SharedFunctionalGroupsSequence: [groups] }).unit).toBe("ppm");
  });
});
