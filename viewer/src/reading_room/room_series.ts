import { signal, type Signal } from "@preact/signals";
import { messageOf, seriesMetadata, type SeriesSummary } from "../api";
import { stacksOf, type Stack } from "../series";

/** A series in the strip: what is known at once, and its stacks once its metadata is here. */
export interface RoomSeries {
  readonly summary: SeriesSummary;
  readonly title: string;
  readonly stacks: Signal<readonly Stack[]>;
  readonly error: Signal<string>;
  load(): Promise<readonly Stack[]>;
}

/** Kinds of objects that hold no pictures (PS3.3 C.7.3.1.1.1). */
const NO_PICTURES = ["SR", "PR", "KO", "RTSTRUCT", "RTPLAN", "RTRECORD", "REG", "DOC", "AU", "ECG", "HD", "EPS", "PLAN", "RWV", "FID", "STAIN"];

export const hasPictures = (summary: SeriesSummary): boolean => !NO_PICTURES.includes(summary.modality);

export function roomSeries(summary: SeriesSummary): RoomSeries {
  const stacks = signal<readonly Stack[]>([]);
  const error = signal("");
  let loading: Promise<readonly Stack[]> | undefined;
  const read = async (): Promise<readonly Stack[]> => {
    const found = stacksOf(await seriesMetadata(summary), summary.url);
    if (found.length === 0) throw new RangeError(`This series (${summary.modality}) holds no pictures.`);
    stacks.value = found;
    error.value = "";
    return found;
  };
  const load = (): Promise<readonly Stack[]> => {
    loading ??= read().catch((problem: unknown) => {
      loading = undefined;
      error.value = messageOf(problem);
      throw problem;
    });
    return loading;
  };
  const title = [summary.modality, summary.description || `series ${summary.number}`].join(" · ");
  return { summary, title, stacks, error, load };
}
