/** Sizes as people read them. */
export function bytes(count: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
  let size = count;
  let unit = 0;
  while (size >= 1024 && unit < units.length - 1) {
    size /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? size : size.toFixed(size < 10 ? 1 : 0)} ${units[unit]}`;
}

/** A list in one line of a form, and back. */
export const joined = (values: readonly string[]): string => values.join(", ");
export const split = (text: string): string[] =>
  text
    .split(",")
    .map((part) => part.trim())
    .filter(Boolean);

/** Keyword=value pairs in one line of a form, and back; what has no equals sign is kept for the server to refuse. */
export const pairsText = (pairs: Readonly<Record<string, string>>): string =>
  Object.entries(pairs)
    .map(([key, value]) => `${key}=${value}`)
    .join(", ");
export const pairsOf = (text: string): Record<string, string> =>
  Object.fromEntries(split(text).map((pair) => [pair.split("=")[0]!.trim(), pair.split("=").slice(1).join("=").trim()]));

/** A UTC time in the reader's own. */
export const localTime = (iso: string): string => new Date(iso).toLocaleString();
