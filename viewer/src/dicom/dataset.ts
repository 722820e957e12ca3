/** DICOM JSON (PS3.18 annex F), read by tag. */

export interface Element {
  readonly vr: string;
  readonly Value?: readonly unknown[];
  readonly BulkDataURI?: string;
  readonly InlineBinary?: string;
}

export type Dataset = Readonly<Record<string, Element>>;

const values = (dataset: Dataset, tag: string): readonly unknown[] => dataset[tag]?.Value ?? [];

/** All values as finite numbers; others are left out. */
export const numbers = (dataset: Dataset, tag: string): number[] =>
  values(dataset, tag)
    .map((value) => (value === null || value === "" ? NaN : Number(value)))
    .filter(Number.isFinite);

export const number = (dataset: Dataset, tag: string): number | undefined => numbers(dataset, tag)[0];

/** All values as text. */
export const texts = (dataset: Dataset, tag: string): string[] =>
  values(dataset, tag)
    .filter((value) => value !== null && typeof value !== "object")
    .map((value) => String(value).trim());

export const text = (dataset: Dataset, tag: string): string => texts(dataset, tag)[0] ?? "";

export const sequence = (dataset: Dataset, tag: string): readonly Dataset[] =>
  values(dataset, tag).filter((item): item is Dataset => typeof item === "object" && item !== null);

/** A person's name as read aloud: "Given Middle Family" from DICOM's "Family^Given^Middle". */
export function personName(dataset: Dataset, tag: string): string {
  const value = values(dataset, tag)[0];
  const raw =
    typeof value === "object" && value !== null
      ? ((value as { Alphabetic?: string; Ideographic?: string }).Alphabetic ??
        (value as { Ideographic?: string }).Ideographic ??
        "")
      : String(value ?? "");
  const [family = "", given = "", middle = "", prefix = "", suffix = ""] = raw.split("^").map((part) => part.trim());
  const name = [prefix, given, middle, family].filter(Boolean).join(" ");
  return suffix ? `${name}, ${suffix}` : name;
}

/** A DICOM date `YYYYMMDD` as `YYYY-MM-DD`; other text unchanged. */
export const formatDate = (date: string): string =>
  /^\d{8}$/.test(date) ? `${date.slice(0, 4)}-${date.slice(4, 6)}-${date.slice(6)}` : date;

/** A DICOM time `HHMMSS.ffffff` as `HH:MM`. */
export const formatTime = (time: string): string => (/^\d{4}/.test(time) ? `${time.slice(0, 2)}:${time.slice(2, 4)}` : "");
