import { describe, expect, it } from "vitest";
import { allocate, decodeInto, firstPart, gridIndex, gridOf, gridPoint, gridSlicing, nearestSlice, resampled, stacksOf, stackSlicing, type Grid } from ".";
import { dataset, slice } from "./testing";

const url = "/dicom-web/studies/1/series/2";
const grid = (value: Grid | string): Grid => {
  if (typeof value === "string") throw new Error(value);
  return value;
};

describe("stacks", () => {
  it("orders slices along the normal whatever their order in the archive", () => {
    const [stack] = stacksOf([slice(1, [0, 0, 10]), slice(2, [0, 0, -5]), slice(3, [0, 0, 2.5])], url);
    expect(stack!.planes.map((plane) => plane.origin[2])).toEqual([-5, 2.5, 10]);
    expect(stack!.frames[0]!.url).toBe(`${url}/instances/1.2.2/frames/1`);
    expect(stack!.scale.unit).toBe("HU");
  });

  it("separates orientations, sizes and echoes at one place", () => {
    const coronal = { ImageOrientationPatient: [1, 0, 0, 0, 0, -1] };
    const instances = [
      slice(1, [0, 0, 0], { EchoTime: 10 }),
      slice(2, [0, 0, 0], { EchoTime: 20 }),
      slice(3, [0, 0, 5], { EchoTime: 10 }),
      slice(4, [0, 0, 5], { EchoTime: 20 }),
      slice(5, [0, 7, 0], coronal),
    ];
    const stacks = stacksOf(instances, url);
    expect(stacks.map((stack) => stack.frames.length)).toEqual([2, 2, 1]);
    expect(stacks.map((stack) => stack.part)).toEqual(["1 of 3", "2 of 3", "3 of 3"]);
  });

  it("keeps one stack where only the acquisition number differs between places", () => {
    const instances = [slice(1, [0, 0, 0], { AcquisitionNumber: 1 }), slice(2, [0, 0, 5], { AcquisitionNumber: 2 })];
    expect(stacksOf(instances, url)).toHaveLength(1);
  });

  it("never lets an assumed place share a frame of reference with a known one", () => {
    const mark = { PositionReferenceIndicator: "POSITION ASSUMED" };
    const [known] = stacksOf([slice(1, [0, 0, 0], { PositionReferenceIndicator: "SN" })], url);
    const [assumed] = stacksOf([slice(1, [0, 0, 0], mark), slice(2, [0, 0, 5], mark)], url);
    const [again] = stacksOf([slice(3, [0, 0, 0], mark)], url);
    expect([known!.positionAssumed, assumed!.positionAssumed]).toEqual([false, true]);
    expect(assumed!.located).toBe(true);
    expect(known!.frameOfReferenceUid).toBe("9.9");
    expect(assumed!.frameOfReferenceUid).not.toBe("9.9");
    expect(again!.frameOfReferenceUid).toBe(assumed!.frameOfReferenceUid);
  });

  it("separates repeats without any mark by their order", () => {
    const instances = [slice(1, [0, 0, 0]), slice(2, [0, 0, 5]), slice(3, [0, 0, 0]), slice(4, [0, 0, 5])];
    const stacks = stacksOf(instances, url);
    expect(stacks.map((stack) => stack.frames.map((frame) => frame.instanceNumber))).toEqual([[1, 2], [3, 4]]);
  });

  it("reads the frames of an enhanced object from its functional groups", () => {
    const place = (z: number) => dataset({ PlanePositionSequence: [dataset({ ImagePositionPatient: [1, 2, z] })] });
    const enhanced = slice(1, [0, 0, 0], {
      ImagePositionPatient: [],
      ImageOrientationPatient: [],
      PixelSpacing: [],
      NumberOfFrames: 2,
      SharedFunctionalGroupsSequence: [
        dataset({
          PixelMeasuresSequence: [dataset({ PixelSpacing: [3, 2] })],
          PlaneOrientationSequence: [dataset({ ImageOrientationPatient: [0, 1, 0, 0, 0, -1] })],
          PixelValueTransformationSequence: [dataset({ RescaleSlope: 2, RescaleIntercept: -7 })],
        }),
      ],
      PerFrameFunctionalGroupsSequence: [place(4), place(9)],
    });
    const [stack] = stacksOf([enhanced], url);
    expect(stack!.frames.map((frame) => [frame.slope, frame.intercept])).toEqual([[2, -7], [2, -7]]);
    expect(stack!.planes[0]).toMatchObject({ right: [0, 1, 0], down: [0, 0, -1], rowSpacing: 3, columnSpacing: 2 });
  });

  it("shows pictures that are nowhere one after the other", () => {
    const nowhere = { ImagePositionPatient: [], ImageOrientationPatient: [], PixelSpacing: [], Modality: "US" };
    const [stack] = stacksOf([slice(2, [], nowhere), slice(1, [], nowhere)], url);
    expect(stack!.located).toBe(false);
    expect(stack!.frames.map((frame) => frame.instanceNumber)).toEqual([1, 2]);
    expect(gridOf(stack!)).toContain("does not say where");
  });
});

describe("spacing of pictures that are nowhere", () => {
  const spacing = (more: Parameters<typeof dataset>[0]) =>
    stacksOf([slice(1, [], { ImagePositionPatient: [], ...more })], url)[0]!.planes[0]!;

  it("is the detector's, else the shape of a pixel, and never zero", () => {
    expect(spacing({ PixelSpacing: [0, 0], ImagerPixelSpacing: [0.2, 0.1] })).toMatchObject({ rowSpacing: 0.2, columnSpacing: 0.1 });
    expect(spacing({ PixelSpacing: [], PixelAspectRatio: [4, 3] })).toMatchObject({ rowSpacing: 4, columnSpacing: 3 });
    expect(spacing({ PixelSpacing: [0, 0] })).toMatchObject({ rowSpacing: 1, columnSpacing: 1 });
  });
});

describe("grid", () => {
  const series = (...origins: number[][]) => stacksOf(origins.map((origin, index) => slice(index + 1, origin)), url)[0]!;

  it("takes regular slices as they are", () => {
    const found = grid(gridOf(series([-3, 1, 0], [-3, 1, 2.5], [-3, 1, 5])));
    expect(found).toMatchObject({ regular: true, dimensions: [4, 3, 3], spacing: [1, 2, 2.5], origin: [-3, 1, 0] });
    expect(gridPoint(found, [1, 2, 1])).toEqual([-2, 5, 2.5]);
    expect(gridIndex(found, [-2, 5, 2.5])).toEqual([1, 2, 1]);
  });

  it("fills a missing slice by interpolation", () => {
    const stack = series([0, 0, 0], [0, 0, 1], [0, 0, 2], [0, 0, 4]);
    const found = grid(gridOf(stack));
    expect(found).toMatchObject({ regular: false, dimensions: [4, 3, 5] });
    const values = resampled(stack, found, (index) => new Float32Array(12).fill([0, 1, 2, 4][index]!), -1);
    expect([0, 1, 2, 3, 4].map((z) => values[z * 12])).toEqual([0, 1, 2, 3, 4]);
  });

  it("straightens a tilted gantry: a line along z stays a line along z", () => {
    // Each slice is 0.5 mm (a quarter of a row) further to posterior, so a fixed patient line moves up in the pictures.
    const stack = series([0, 0, 0], [0, 0.5, 2], [0, 1, 4], [0, 1.5, 6], [0, 2, 8]);
    const found = grid(gridOf(stack));
    expect(found.regular).toBe(false);
    const y = (row: number, index: number): number => row * 2 + index * 0.5;
    const values = resampled(
      stack,
      found,
      (index) => Float32Array.from({ length: 12 }, (_, pixel) => y(Math.floor(pixel / 4), index)),
      0,
    );
    const [columns, rows] = found.dimensions;
    for (let z = 0; z < 5; z++) {
      const value = values[z * columns * rows + columns * 2 + 1]!;
      expect(value).toBeCloseTo(gridPoint(found, [1, 2, z])[1], 5);
    }
  });

  it("refuses what is no volume", () => {
    expect(gridOf(series([0, 0, 0], [0, 0, 1]))).toContain("at least 3");
    expect(gridOf(series([0, 0, 0], [0, 0, 1], [0, 0, 100]))).toContain("gaps");
  });

  it("slices through voxel centres in every direction", () => {
    const found = grid(gridOf(series([-3, 1, 10], [-3, 1, 12.5], [-3, 1, 15])));
    expect(gridSlicing(found, [0, 0, 1]).positions).toEqual([10, 12.5, 15]);
    expect(gridSlicing(found, [0, 1, 0]).positions).toEqual([1, 3, 5]);
    expect(gridSlicing(found, [-1, 0, 0]).positions).toEqual([0, 1, 2, 3]);
  });

  it("finds the slice nearest to a point, and the end beyond it", () => {
    const slicing = stackSlicing(series([0, 0, 0], [0, 0, 2], [0, 0, 5]));
    expect([-9, 0.9, 1.1, 3.4, 3.6, 50].map((z) => nearestSlice(slicing, [7, 7, z]))).toEqual([0, 0, 1, 1, 2, 2]);
  });
});

describe("values", () => {
  const decoded = (more: Parameters<typeof slice>[2], stored: ArrayBufferView<ArrayBuffer>) => {
    const [stack] = stacksOf([slice(1, [0, 0, 0], more)], url);
    const target = allocate(stack!);
    decodeInto(target, new Uint8Array(stored.buffer), stack!.frames[0]!, stack!.scale.factor);
    return target;
  };

  it("keeps whole Hounsfield units as 16-bit numbers", () => {
    const values = decoded({ RescaleSlope: 1, RescaleIntercept: -1024, BitsStored: 12, PixelRepresentation: 0 }, new Uint16Array(12).fill(1064));
    expect(values).toBeInstanceOf(Int16Array);
    expect(values[0]).toBe(40);
  });

  it("leaves out overlay bits above the stored ones, and keeps the sign", () => {
    expect(decoded({ BitsStored: 12, PixelRepresentation: 0 }, new Uint16Array(12).fill(0xf123))[0]).toBe(0x123);
    expect(decoded({ BitsStored: 12 }, new Uint16Array(12).fill(0x0fff))[0]).toBe(-1);
  });

  it("keeps 32-bit stored values whole", () => {
    const values = decoded({ BitsAllocated: 32, BitsStored: 32, PixelRepresentation: 0 }, new Uint32Array(12).fill(70000));
    expect(values).toBeInstanceOf(Float32Array);
    expect(values[3]).toBe(70000);
  });

  it("scales with a broken slope in single precision", () => {
    const values = decoded({ RescaleSlope: 0.25, RescaleIntercept: 1.5 }, new Int16Array(12).fill(-8));
    expect(values[11]).toBe(-0.5);
  });

  it("refuses a picture that was cut off", () => {
    expect(() => decoded({}, new Int16Array(11))).toThrow("22 bytes for a picture of 24");
  });
});

describe("multipart", () => {
  it("takes the part out of its wrapping, also where it holds line ends and dashes", () => {
    const content = "\r\n--x data \r\n\r\n";
    const body = new TextEncoder().encode(`--b1\r\nContent-Type: application/octet-stream\r\n\r\n${content}\r\n--b1--\r\n`);
    const part = firstPart(body, 'multipart/related; type="application/octet-stream"; boundary=b1');
    expect(new TextDecoder().decode(part)).toBe(content);
  });

  it("takes a plain answer as it is", () => {
    expect(firstPart(new Uint8Array([1, 2]), "application/octet-stream")).toEqual(new Uint8Array([1, 2]));
  });
});
