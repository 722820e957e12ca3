import { describe, expect, it, vi } from "vitest";
import type { Job } from "../api";
import { current, finished, follow, jobs, onJobEnd, refreshJobs } from "./store";
import { summaryOf } from "./summary";

const job = (id: string, state: Job["state"]): Job => ({
  id,
  kind: "upload",
  title: `Upload of ${id}`,
  state,
  fraction: 0,
  message: "",
  error: state === "failed" ? "is broken" : null,
  created: "2026-03-01T10:00:00.000+00:00",
  result: null,
});
const ids = (list: readonly Job[]): string[] => list.map(({ id }) => id);

describe("the list of jobs", () => {
  it("folds away what ended, but not a failure that the reader has not seen", () => {
    jobs.value = [job("a", "running"), job("b", "running"), job("c", "queued"), job("old", "failed"), job("done", "done")];
    expect(ids(current.value)).toEqual(["a", "b", "c"]);
    expect(ids(finished.value)).toEqual(["old", "done"]);
    follow(job("a", "done"));
    follow(job("b", "failed"));
    expect(ids(current.value)).toEqual(["b", "c"]);
    expect(ids(finished.value)).toEqual(["a", "old", "done"]);
  });

  it("says that a job ended although the list knew it before its sender did, and once only", () => {
    jobs.value = [job("early", "failed")];
    const told: string[] = [];
    const stop = onJobEnd(({ id }) => told.push(id));
    follow(job("early", "failed"));
    follow(job("early", "failed"));
    stop();
    expect(told).toEqual(["early"]);
    expect(ids(current.value)).toEqual(["early"]);
  });

  it("says that a job ended although a list that was asked for before it began came in between", async () => {
    const lists = [[], [job("late", "done")]];
    vi.stubGlobal("EventSource", class {
      close(): void {}
    });
    vi.stubGlobal("fetch", () => Promise.resolve(new Response(JSON.stringify({ jobs: lists.shift() }))));
    const told: string[] = [];
    const stop = onJobEnd(({ id }) => told.push(id));
    jobs.value = [];
    follow(job("late", "queued"));
    await refreshJobs();
    expect(jobs.value).toEqual([]);
    await refreshJobs();
    stop();
    vi.unstubAllGlobals();
    expect(told).toEqual(["late"]);
  });

  it("says how many ended how", () => {
    expect(summaryOf([job("a", "done"), job("b", "failed"), job("c", "done"), job("d", "cancelled")])).toBe("2 done, 1 failed, 1 cancelled");
  });
});
