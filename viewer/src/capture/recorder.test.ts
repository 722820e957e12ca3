import { describe, expect, it } from "vitest";
import { endingOf, explain, formatOf } from "./recorder";

describe("recording formats", () => {
  it("prefer what can be kept as it is", () => {
    expect(formatOf(() => true)).toBe("video/webm;codecs=h264");
    expect(formatOf((format) => format.includes("vp"))).toBe("video/webm;codecs=vp9");
    expect(formatOf(() => false)).toBeUndefined();
  });

  it("give names their endings", () => {
    expect(["video/mp4;codecs=avc1", "video/webm;codecs=vp8", "image/png"].map(endingOf)).toEqual(["mp4", "webm", "png"]);
  });
});

describe("devices that cannot be used", () => {
  it("say why", () => {
    expect(explain("camera", "NotAllowedError")).toContain("Allow it");
    expect(explain("screen", "NotFoundError")).toBe("There is no screen here.");
    expect(explain("camera", "")).toBe("The camera cannot be opened.");
  });
});
