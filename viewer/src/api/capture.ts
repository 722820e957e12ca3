import { requestJson, sendForm } from "./http";
import type { Job } from "./types";

/** A scheduled procedure step, for the choice of whom a capture is. */
export interface WorklistItem {
  readonly id: string;
  readonly patient_name: string;
  readonly patient_id: string;
  readonly accession_number: string;
  readonly description: string;
  readonly modality: string;
  readonly date: string;
  readonly time: string;
  readonly status: string;
}

/** A patient who is given by hand. */
export interface NewPatient {
  readonly patient_id: string;
  readonly patient_name: string;
  readonly patient_birth_date: string;
  readonly patient_sex: string;
  readonly accession_number: string;
  readonly study_description: string;
}

export type CaptureKind = "sc" | "us" | "video";
export type CaptureView = "photographic" | "endoscopic" | "microscopic";

/** Of whom a capture is: one of the three. */
export type CaptureContext = { readonly patient: NewPatient } | { readonly worklist: string } | { readonly study: string };

/** What to make of a recording. */
export interface CaptureForm {
  readonly kind: CaptureKind;
  readonly view: CaptureView;
  readonly series_description: string;
}

export const captureWorklist = async (): Promise<readonly WorklistItem[]> =>
  (await requestJson<{ items: WorklistItem[] }>("/api/captures/worklist")).items;

/** Sends a recording or a picture; the answer is the job that makes DICOM of it. */
export async function sendCapture(
  form: CaptureForm,
  context: CaptureContext,
  recording: Blob,
  name: string,
  onProgress: (fraction: number) => void,
): Promise<Job> {
  const body = new FormData();
  body.append("files", new Blob([JSON.stringify({ ...form, ...context })], { type: "application/json" }), "capture.json");
  body.append("files", recording, name);
  return (await sendForm<{ job: Job }>("/api/captures", body, onProgress)).job;
}
