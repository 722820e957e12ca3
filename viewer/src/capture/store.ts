import { computed, signal } from "@preact/signals";
import {
  captureWorklist,
  findStudies,
  followJob,
  messageOf,
  sendCapture,
  type CaptureContext,
  type CaptureForm,
  type CaptureKind,
  type CaptureView,
  type Job,
  type NewPatient,
  type Study,
  type WorklistItem,
} from "../api";
import { endingOf } from "./recorder";

/** A picture or a recording that was made and is not stored yet, or is being stored. */
export interface Take {
  readonly id: number;
  readonly blob: Blob;
  readonly url: string;
  readonly title: string;
  readonly isPicture: boolean;
  readonly state: "new" | "sending" | "converting" | "stored" | "failed";
  readonly fraction: number;
  readonly error: string;
}

export type Whose = "patient" | "worklist" | "study";

export const takes = signal<readonly Take[]>([]);
export const worklist = signal<readonly WorklistItem[]>([]);
export const studies = signal<readonly Study[]>([]);
export const listsError = signal("");

export const whose = signal<Whose>("patient");
export const patient = signal<NewPatient>({
  patient_id: "",
  patient_name: "",
  patient_birth_date: "",
  patient_sex: "",
  accession_number: "",
  study_description: "",
});
export const worklistItem = signal("");
export const studyUid = signal("");
export const kind = signal<CaptureKind>("sc");
export const view = signal<CaptureView>("photographic");
export const description = signal("");
/** The study that the last capture went into. */
export const storedStudy = signal("");
export const isStoring = signal(false);

export const unstored = computed(() => takes.value.filter((take) => take.state === "new" || take.state === "failed"));

/** What must still be chosen or given before something can be stored; empty where nothing is missing. */
export const missing = computed(() => {
  if (whose.value === "patient" && !patient.value.patient_id && !patient.value.patient_name) return "Give the patient's name or ID.";
  if (whose.value === "worklist" && !worklistItem.value) return "Choose a scheduled examination.";
  if (whose.value === "study" && !studyUid.value) return "Choose a study.";
  return "";
});

export async function loadLists(): Promise<void> {
  try {
    [worklist.value, studies.value] = await Promise.all([captureWorklist(), findStudies()]);
    listsError.value = "";
  } catch (error) {
    listsError.value = messageOf(error);
  }
}

let next = 1;

export function addTake(blob: Blob, title: string, isPicture: boolean): void {
  const take: Take = { id: next++, blob, url: URL.createObjectURL(blob), title, isPicture, state: "new", fraction: 0, error: "" };
  takes.value = [take, ...takes.value];
}

export function removeTake(take: Take): void {
  URL.revokeObjectURL(take.url);
  takes.value = takes.value.filter((other) => other.id !== take.id);
}

function change(id: number, part: Partial<Take>): void {
  takes.value = takes.value.map((take) => (take.id === id ? { ...take, ...part } : take));
}

function chosenContext(): CaptureContext {
  if (whose.value === "worklist") return { worklist: worklistItem.value };
  if (whose.value === "study") return { study: studyUid.value };
  return { patient: patient.value };
}

/** Stores everything that is not stored yet, in the order it was made; all of it goes into one study. */
export async function storeAll(): Promise<void> {
  isStoring.value = true;
  let context = chosenContext();
  try {
    for (const take of [...unstored.value].reverse()) {
      const study = await storeOne(take, context);
      if (!study) continue;
      storedStudy.value = study;
      // The next ones belong to the study that was made just now.
      context = { study };
      whose.value = "study";
      studyUid.value = study;
    }
    await loadLists();
  } finally {
    isStoring.value = false;
  }
}

/** The study it went into; undefined where it failed. */
async function storeOne(take: Take, context: CaptureContext): Promise<string | undefined> {
  // A single picture is no video.
  const as = take.isPicture && kind.value === "video" ? "sc" : kind.value;
  const form: CaptureForm = { kind: as, view: view.value, series_description: description.value };
  change(take.id, { state: "sending", fraction: 0, error: "" });
  try {
    const name = `recording.${endingOf(take.blob.type)}`;
    const job = await sendCapture(form, context, take.blob, name, (fraction) => change(take.id, { fraction }));
    const ended = await end(job, (fraction) => change(take.id, { state: "converting", fraction }));
    if (ended.state !== "done") throw new Error(ended.error ?? "It was cancelled.");
    change(take.id, { state: "stored", fraction: 1 });
    return ended.result?.study_instance_uids?.[0];
  } catch (error) {
    change(take.id, { state: "failed", error: messageOf(error) });
    return undefined;
  }
}

function end(job: Job, onFraction: (fraction: number) => void): Promise<Job> {
  return new Promise((resolve, reject) => {
    followJob(
      job.id,
      (now) => {
        onFraction(now.fraction);
        if (now.state !== "queued" && now.state !== "running") resolve(now);
      },
      () => reject(new Error("The server does not answer. Is Pellucid still running?")),
    );
  });
}
