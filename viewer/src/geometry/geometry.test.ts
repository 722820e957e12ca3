import { describe, expect, it } from "vitest";
import { cross, depthOf, fit, letters, normalOf, panned, planeName, scaleBar, STANDARD, toCanvas, toPatient, zoomed, type PlaneView } from ".";

const size = { width: 400, height: 300 };
const view = (plane: keyof typeof STANDARD): PlaneView => ({ ...STANDARD[plane], centre: [10, -20, 30], mmPerPixel: 0.5 });

describe("orientation", () => {
  it("names the patient's sides", () => {
    expect(letters([1, 0, 0])).toBe("L");
    expect(letters([-1, 0, 0])).toBe("R");
    expect(letters([0, 1, 0])).toBe("P");
    expect(letters([0, -1, 0])).toBe("A");
    expect(letters([0, 0, 1])).toBe("H");
    expect(letters([0, 0, -1])).toBe("F");
  });

  it("names oblique directions by size, leaving out what is hardly there", () => {
    expect(letters([0.5, -0.8, 0.05])).toBe("AL");
    expect(letters([0.02, 0.02, -0.999])).toBe("F");
  });

  it("knows the planes by their normal", () => {
    expect(planeName(STANDARD.axial)).toBe("axial");
    expect(planeName(STANDARD.coronal)).toBe("coronal");
    expect(planeName(STANDARD.sagittal)).toBe("sagittal");
    const half = Math.SQRT1_2;
    expect(planeName({ right: [half, half, 0], down: [0, 0, -1] })).toBe("oblique");
  });

  it("looks from the feet, from the front and from the left", () => {
    expect(normalOf(STANDARD.axial)).toEqual([0, 0, 1]);
    expect(normalOf(STANDARD.coronal).map((value) => value + 0)).toEqual([0, 1, 0]);
    expect(normalOf(STANDARD.sagittal).map((value) => value + 0)).toEqual([-1, 0, 0]);
  });
});

describe("plane view", () => {
  it("puts the patient's left at the right of an axial and a coronal picture", () => {
    for (const plane of ["axial", "coronal"] as const) {
      const [x, y] = toCanvas(view(plane), size, [15, -20, 30]);
      expect([x, y]).toEqual([210, 150]);
    }
  });

  it("puts the head up and the front at the left of a sagittal picture", () => {
    expect(toCanvas(view("sagittal"), size, [10, -25, 40])).toEqual([190, 130]);
  });

  it("returns from the screen to the patient", () => {
    for (const plane of ["axial", "coronal", "sagittal"] as const) {
      const point = toPatient(view(plane), size, [37, 251]);
      expect(depthOf(view(plane), point)).toBeCloseTo(0, 12);
      const [x, y] = toCanvas(view(plane), size, point);
      expect(x).toBeCloseTo(37, 10);
      expect(y).toBeCloseTo(251, 10);
    }
  });

  it("fits everything with a margin", () => {
    const shown = fit(STANDARD.axial, [[0, 0, 0], [100, 60, 0]], size);
    expect(shown.centre).toEqual([50, 30, 0]);
    expect(shown.mmPerPixel).toBeCloseTo(1.04 * 0.25);
  });

  it("moves the picture with the pointer", () => {
    const moved = { ...view("axial"), centre: panned(view("axial"), 20, -10) };
    const [x, y] = toCanvas(moved, size, [10, -20, 30]);
    expect([x, y]).toEqual([220, 140]);
  });

  it("keeps the point under the pointer when zooming", () => {
    const at = [300, 40] as const;
    const before = toPatient(view("coronal"), size, at);
    const after = toPatient({ ...view("coronal"), ...zoomed(view("coronal"), size, at, 1.7) }, size, at);
    after.forEach((value, axis) => expect(value).toBeCloseTo(before[axis]!, 10));
  });
});

describe("scale bar", () => {
  it("is 1, 2 or 5 times a power of ten and fits", () => {
    expect(scaleBar(0.5, 100)).toEqual({ pixels: 100, label: "5 cm" });
    expect(scaleBar(0.49, 100).label).toBe("2 cm");
    expect(scaleBar(0.05, 100)).toEqual({ pixels: 100, label: "5 mm" });
    expect(scaleBar(0.0001, 100).label).toBe("10 µm");
  });
});

it("has a right-handed cross product", () => expect(cross([1, 0, 0], [0, 1, 0])).toEqual([0, 0, 1]));
