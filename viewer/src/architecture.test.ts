import { describe, expect, it } from "vitest";

const FILES = import.meta.glob("./**/*.{ts,tsx}", { query: "?raw", import: "default", eager: true }) as Record<string, string>;

/** Folders from the bottom up: each may use those before it. */
const LAYERS = [
  "ui", "geometry", "dicom", "series", "api", "access", "viewing", "window_level", "fusion", "probe", "viewport", "jobs", "study_list", "capture", "admin", "raw_data", "reading_room",
];
const PURE = ["geometry", "dicom", "series"];

const imports = Object.entries(FILES).flatMap(([file, text]) =>
  [...text.matchAll(/from "([^"]+)"/g)].map((match) => ({ file, folder: file.split("/")[1]!, from: match[1]! })),
);
const inFolders = imports.filter(({ folder }) => LAYERS.includes(folder));

describe("folders", () => {
  it("are entered by their door only", () => {
    expect(inFolders.filter(({ from }) => /^\.\.\/[^/]+\//.test(from))).toEqual([]);
  });

  it("use only what is below them", () => {
    const upward = inFolders.filter(({ folder, from }) => {
      const other = /^\.\.\/([^/]+)$/.exec(from)?.[1];
      return other !== undefined && LAYERS.indexOf(other) >= LAYERS.indexOf(folder);
    });
    expect(upward).toEqual([]);
  });

  it("of pure code use no library", () => {
    const libraries = inFolders.filter(({ folder, from, file }) => PURE.includes(folder) && !from.startsWith(".") && !file.endsWith(".test.ts"));
    expect(libraries).toEqual([]);
  });

  it("are all known", () => {
    const folders = new Set(Object.keys(FILES).filter((file) => file.split("/").length > 2).map((file) => file.split("/")[1]!));
    expect([...folders].filter((folder) => !LAYERS.includes(folder))).toEqual([]);
  });
});
