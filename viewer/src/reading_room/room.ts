import { batch, computed, effect, signal, type ReadonlySignal } from "@preact/signals";
import { findSeries, findStudy, messageOf, type Study } from "../api";
import type { Stack, Window } from "../series";
import { bringCursorTo, gridOnce, linked, makeCell, parallel, setLinked, type Camera, type Cell } from "../viewing";
import { activeTool, type Tool } from "../viewport";
import { brightnessOf, resetBrightness, sameKind, setWindow } from "../window_level";
import { hasPictures, roomSeries, type RoomSeries } from "./room_series";

export type Layout = "single" | "mpr" | "compare";

/** The state of the reading room: the study, what is shown and how it is laid out. */
export class Room {
  readonly study = signal<Study | undefined>(undefined);
  readonly series = signal<readonly RoomSeries[]>([]);
  readonly error = signal("");
  readonly layout = signal<Layout>("single");
  readonly activeId = signal("single");
  readonly helpShown = signal(false);

  /** What one viewport or the three planes show, and what is beside it. */
  readonly base = signal<Stack | undefined>(undefined);
  readonly second = signal<Stack | undefined>(undefined);

  private readonly layouts: Readonly<Record<Layout, readonly Cell[]>> = {
    single: [makeCell("single", "acquired", this.base)],
    mpr: [
      makeCell("axial", "axial", this.base),
      makeCell("coronal", "coronal", this.base),
      makeCell("sagittal", "sagittal", this.base),
    ],
    compare: [makeCell("left", "acquired", this.base), makeCell("right", "acquired", this.second, this.base)],
  };

  readonly cells: ReadonlySignal<readonly Cell[]> = computed(() => this.layouts[this.layout.value]);
  readonly active: ReadonlySignal<Cell> = computed(
    () => this.cells.value.find((cell) => cell.id === this.activeId.value) ?? this.cells.value[0]!,
  );
  /** Why three planes cannot be shown; empty where they can. */
  readonly mprProblem: ReadonlySignal<string> = computed(() => {
    const grid = this.base.value && gridOnce(this.base.value);
    return typeof grid === "string" ? grid : "";
  });
  /** What is beside the active stack, and so gets its window too. */
  readonly compared: ReadonlySignal<readonly Stack[]> = computed(() =>
    this.layout.value === "compare" ? [this.base.value, this.second.value].filter((stack) => stack !== undefined) : [],
  );

  constructor(readonly studyUid: string) {
    // A base without a volume falls back to its own slices.
    effect(() => {
      if (this.layout.value === "mpr" && this.mprProblem.value) this.setLayout("single");
    });
  }

  /** Loads the study, shows its first pictures, then learns of the other series. */
  async open(): Promise<void> {
    try {
      const [study] = await Promise.all([findStudy(this.studyUid), this.refreshSeries()]);
      this.study.value = study;
      // Positron pictures are read over others: the anatomy comes first.
      const pictures = this.series.value.filter((series) => hasPictures(series.summary));
      const first = pictures.find((series) => series.summary.modality !== "PT") ?? pictures[0];
      if (!first) {
        this.error.value = "This study holds no pictures. Open another from the list.";
        return;
      }
      await this.show(first);
      await this.learn();
    } catch (problem) {
      this.error.value = messageOf(problem);
    }
  }

  /** Loads what is known of every series: fusion must know their places. A series keeps the reason where it cannot. */
  private async learn(): Promise<void> {
    for (const series of this.series.value) {
      if (hasPictures(series.summary)) await series.load().catch(() => undefined);
    }
  }

  /** Takes in what a job has added. */
  async takeIn(): Promise<void> {
    await this.refreshSeries().catch(() => undefined);
    await this.learn();
  }

  /** Looks for series that have been added. */
  private async refreshSeries(): Promise<void> {
    const found = await findSeries(this.studyUid);
    const known = new Map(this.series.value.map((series) => [series.summary.uid, series]));
    const all = found.map((summary) => known.get(summary.uid) ?? roomSeries(summary));
    this.series.value = [...all.filter((series) => hasPictures(series.summary)), ...all.filter((series) => !hasPictures(series.summary))];
  }

  /** Shows a series (one of its stacks) in the active viewport; side by side an empty half takes it, and becomes active. */
  async show(series: RoomSeries, part = 0): Promise<void> {
    try {
      const stack = (await series.load())[part]!;
      batch(() => {
        bringCursorTo(stack);
        if (this.layout.value === "compare" && this.base.value && !this.second.value) this.activeId.value = "right";
        const target = this.active.value.id === "right" ? this.second : this.base;
        target.value = stack;
        for (const cell of Object.values(this.layouts).flat()) if (cell.stack === target) cell.camera.value = undefined;
      });
    } catch {
      // The series keeps the reason and the strip shows it.
    }
  }

  setLayout(layout: Layout): void {
    batch(() => {
      if (layout !== "compare") this.setLinked(true);
      this.layout.value = layout;
      this.activeId.value = this.cells.value[0]!.id;
      const usual: Tool = layout === "mpr" ? "locate" : "window";
      if (["locate", "window"].includes(activeTool.value)) activeTool.value = usual;
    });
  }

  setLinked(together: boolean): void {
    batch(() => setLinked(this.cells.value, this.active.value, together));
  }

  setCamera(cell: Cell, camera: Camera): void {
    cell.camera.value = camera;
    if (this.layout.value !== "compare" || !linked.value) return;
    const stack = cell.stack.value;
    for (const other of this.cells.value) {
      if (stack && other.stack.value && parallel(stack, other.stack.value)) other.camera.value = camera;
    }
  }

  setWindow(cell: Cell, window: Window): void {
    if (cell.stack.value) setWindow(cell.stack.value, window, this.compared.value);
  }

  /** Back to the whole picture and the usual window. */
  reset(): void {
    batch(() => {
      for (const cell of this.cells.value) cell.camera.value = undefined;
      const stack = this.active.value.stack.value;
      if (stack) resetBrightness(stack);
    });
  }

  /** Shows two series side by side: the same place, window and size. */
  async compareSeries(leftUid: string, rightUid: string): Promise<void> {
    await this.refreshSeries();
    const find = (uid: string): RoomSeries | undefined => this.series.value.find((series) => series.summary.uid === uid);
    const [left, right] = [find(leftUid), find(rightUid)];
    if (!left || !right) throw new RangeError("The new series is not in this study; look for it in the list of studies.");
    const [[first], [second]] = await Promise.all([left.load(), right.load()]);
    batch(() => {
      this.setLayout("compare");
      this.setLinked(true);
      this.base.value = first;
      this.second.value = second;
      // The left one stays what is worked on: a further reconstruction takes the right one's place.
      this.activeId.value = "left";
      if (first && second && sameKind(first, second)) {
        const [from, to] = [brightnessOf(first), brightnessOf(second)];
        to.window.value = from.window.value;
        to.inverted.value = from.inverted.value;
      }
      for (const cell of this.cells.value) cell.camera.value = undefined;
    });
  }

  seriesOf(stack: Stack | undefined): RoomSeries | undefined {
    return this.series.value.find((series) => series.summary.uid === stack?.seriesUid);
  }

  titleOf(stack: Stack | undefined): string {
    return this.seriesOf(stack)?.title ?? "";
  }
}
