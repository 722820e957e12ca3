import { computed, signal } from "@preact/signals";
import { cancelJob, followJob, isActive, isSilent, listJobs, messageOf, upload, type Job } from "../api";

/** Files on their way to the server. */
export interface Sending {
  readonly id: number;
  readonly title: string;
  readonly fraction: number;
  readonly error: string;
}

/** Jobs of the server, the newest first, and uploads that have not reached it. */
export const jobs = signal<readonly Job[]>([]);
export const sendings = signal<readonly Sending[]>([]);
/** Why the list of jobs cannot be shown; empty where it can. */
export const jobsError = signal("");
/** Whether the server did not answer when it was last asked. */
export const silent = signal(false);

/** Jobs that ended while this page was open. */
const endedHere = signal<ReadonlySet<string>>(new Set());

/** What the reader has to see without asking: jobs at work, and failures that are new. */
export const current = computed(() => jobs.value.filter((job) => isActive(job) || (job.state === "failed" && endedHere.value.has(job.id))));
/** All others. */
export const finished = computed(() => jobs.value.filter((job) => !current.value.includes(job)));

/** While jobs are at work the list is asked for, too: some are not followed, and proxies may hold events back. */
const RETRY_MS = 2000;
/** Each takes one of the six connections that a browser opens to a server. */
const MOST_FOLLOWED = 2;

type Listener = (job: Job) => void;
const ended = new Set<Listener>();
/** Jobs that were at work when this page heard of them, followed or not. */
const awaited = new Set<string>();
const followed = new Map<string, () => void>();
const dismissed = new Set<string>();
let nextSending = 1;

/** Calls `listener` whenever a job ends; returns a function that stops that. */
export function onJobEnd(listener: Listener): () => void {
  ended.add(listener);
  return () => ended.delete(listener);
}

function put(job: Job): void {
  const known = jobs.value.some((other) => other.id === job.id);
  jobs.value = known ? jobs.value.map((other) => (other.id === job.id ? job : other)) : [job, ...jobs.value];
  if (!isActive(job)) announceEnd(job);
}

/** Once a job; the list may have shown it ended before the answer to what started it came. */
function announceEnd(job: Job): void {
  followed.get(job.id)?.();
  followed.delete(job.id);
  if (endedHere.value.has(job.id)) return;
  endedHere.value = new Set([...endedHere.value, job.id]);
  ended.forEach((listener) => listener(job));
}

/** Shows a job and keeps it up to date until it ends. */
export function follow(job: Job): void {
  put(job);
  if (!isActive(job)) return;
  awaited.add(job.id);
  if (followed.has(job.id)) return;
  // A lost connection is tried again through the list; a server that is gone shows there.
  const lost = (): void => {
    followed.delete(job.id);
    askAgain();
  };
  if (followed.size < MOST_FOLLOWED) followed.set(job.id, followJob(job.id, put, lost));
  askAgain();
}

/** Loads the list of jobs and follows those at work. */
export async function refreshJobs(): Promise<void> {
  try {
    const found = (await listJobs()).filter((job) => !dismissed.has(job.id));
    jobs.value = [...found].sort((a, b) => b.created.localeCompare(a.created));
    jobsError.value = "";
    silent.value = false;
    found.filter(isActive).forEach(follow);
    found.filter((job) => awaited.has(job.id) && !isActive(job)).forEach(announceEnd);
    if (found.some(isActive)) askAgain();
  } catch (error) {
    silent.value = isSilent(error);
    jobsError.value = silent.value ? "" : messageOf(error);
    if (silent.value || jobs.value.some(isActive)) askAgain();
  }
}

let next: ReturnType<typeof setTimeout> | undefined;

function askAgain(): void {
  clearTimeout(next);
  next = setTimeout(() => void refreshJobs(), RETRY_MS);
}

export async function cancel(job: Job): Promise<void> {
  try {
    await cancelJob(job.id);
  } catch (error) {
    jobsError.value = messageOf(error);
  }
}

/** Takes an ended job off the list. */
export function dismiss(job: Job): void {
  dismissed.add(job.id);
  jobs.value = jobs.value.filter((other) => other.id !== job.id);
}

export const dismissSending = (id: number): void => {
  sendings.value = sendings.value.filter((sending) => sending.id !== id);
};

/** Sends files and follows the job that stores them. */
export async function sendFiles(files: readonly File[]): Promise<void> {
  if (files.length === 0) return;
  const id = nextSending++;
  const title = files.length === 1 ? files[0]!.name : `${files[0]!.name} and ${files.length - 1} more`;
  const change = (part: Partial<Sending>): void => {
    sendings.value = sendings.value.map((sending) => (sending.id === id ? { ...sending, ...part } : sending));
  };
  sendings.value = [{ id, title, fraction: 0, error: "" }, ...sendings.value];
  try {
    follow(await upload(files, (fraction) => change({ fraction })));
    dismissSending(id);
  } catch (error) {
    change({ error: messageOf(error) });
  }
}
