import type { Job } from "../api";

/** Jobs that ended, by how: "12 done, 1 failed". */
export function summaryOf(jobs: readonly Job[]): string {
  const counts = (["done", "failed", "cancelled"] as const).map((state) => [jobs.filter((job) => job.state === state).length, state] as const);
  return counts
    .filter(([count]) => count > 0)
    .map(([count, state]) => `${count} ${state}`)
    .join(", ");
}
