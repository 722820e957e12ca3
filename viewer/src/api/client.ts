import { formatDate, formatTime, number, personName, TAG, text, texts, type Dataset } from "../dicom";
import { requestJson, sendForm, ServerError } from "./http";
import type { Acquisition, Job, ParameterValue, SeriesOrigin } from "./types";

const DICOM_JSON: RequestInit = { headers: { Accept: "application/dicom+json" } };
const segment = encodeURIComponent;

/** A study as the list shows it. */
export interface Study {
  readonly uid: string;
  readonly patientName: string;
  readonly patientId: string;
  readonly date: string;
  readonly time: string;
  readonly modalities: readonly string[];
  readonly description: string;
  readonly series: number | undefined;
  readonly instances: number | undefined;
}

/** A series as the strip shows it. */
export interface SeriesSummary {
  readonly uid: string;
  readonly studyUid: string;
  readonly modality: string;
  readonly number: number;
  readonly description: string;
  readonly instances: number;
  readonly url: string;
  readonly thumbnailUrl: string;
}

const studyUrl = (uid: string): string => `/dicom-web/studies/${segment(uid)}`;

function studyOf(dataset: Dataset): Study {
  return {
    uid: text(dataset, TAG.StudyInstanceUID),
    patientName: personName(dataset, TAG.PatientName),
    patientId: text(dataset, TAG.PatientID),
    date: formatDate(text(dataset, TAG.StudyDate)),
    time: formatTime(text(dataset, TAG.StudyTime)),
    modalities: texts(dataset, TAG.ModalitiesInStudy),
    description: text(dataset, TAG.StudyDescription),
    series: number(dataset, TAG.NumberOfStudyRelatedSeries),
    instances: number(dataset, TAG.NumberOfStudyRelatedInstances),
  };
}

const STUDY_FIELDS = [TAG.StudyDescription, TAG.ModalitiesInStudy].map((tag) => `includefield=${tag}`).join("&");

/** All studies, the newest first. */
export async function findStudies(): Promise<Study[]> {
  const found = (await requestJson<Dataset[]>(`/dicom-web/studies?${STUDY_FIELDS}`, DICOM_JSON)) ?? [];
  return found.map(studyOf).sort((a, b) => `${b.date} ${b.time}`.localeCompare(`${a.date} ${a.time}`));
}

/** One study; rejects where the archive does not hold it. */
export async function findStudy(uid: string): Promise<Study> {
  const query = `/dicom-web/studies?StudyInstanceUID=${segment(uid)}&${STUDY_FIELDS}`;
  const [found] = (await requestJson<Dataset[]>(query, DICOM_JSON)) ?? [];
  if (!found) throw new ServerError("This study is not in the archive. It may have been deleted; open another from the list.", 404);
  return studyOf(found);
}

/** The series of a study by series number. */
export async function findSeries(studyUid: string): Promise<SeriesSummary[]> {
  const query = `${studyUrl(studyUid)}/series?includefield=${TAG.SeriesDescription}`;
  const found = (await requestJson<Dataset[]>(query, DICOM_JSON)) ?? [];
  return found
    .map((dataset) => {
      const uid = text(dataset, TAG.SeriesInstanceUID);
      const url = `${studyUrl(studyUid)}/series/${segment(uid)}`;
      return {
        uid,
        studyUid,
        modality: text(dataset, TAG.Modality),
        number: number(dataset, TAG.SeriesNumber) ?? 0,
        description: text(dataset, TAG.SeriesDescription),
        instances: number(dataset, TAG.NumberOfSeriesRelatedInstances) ?? 0,
        url,
        thumbnailUrl: `${url}/thumbnail`,
      };
    })
    .sort((a, b) => a.number - b.number || a.uid.localeCompare(b.uid));
}

/** The full metadata of every instance of a series. */
export const seriesMetadata = (series: SeriesSummary): Promise<Dataset[]> =>
  requestJson<Dataset[]>(`${series.url}/metadata`, DICOM_JSON);

export const listJobs = async (): Promise<readonly Job[]> => (await requestJson<{ jobs: Job[] }>("/api/jobs")).jobs;

export const cancelJob = (id: string): Promise<unknown> => requestJson(`/api/jobs/${segment(id)}`, { method: "DELETE" });

/** Follows a job until it ends; returns a function that stops following. */
export function followJob(id: string, onChange: (job: Job) => void, onLost: () => void): () => void {
  const source = new EventSource(`/api/jobs/${segment(id)}/events`);
  source.onmessage = (event: MessageEvent<string>) => {
    const job = JSON.parse(event.data) as Job;
    onChange(job);
    if (job.state !== "queued" && job.state !== "running") source.close();
  };
  source.onerror = () => {
    source.close();
    onLost();
  };
  return () => source.close();
}

/** Sends files; the answer is the job that stores them. */
export async function upload(files: readonly File[], onProgress: (fraction: number) => void): Promise<Job> {
  const form = new FormData();
  for (const file of files) form.append("files", file, file.webkitRelativePath || file.name);
  return (await sendForm<{ job: Job }>("/api/uploads", form, onProgress)).job;
}

/** The acquisition that a series was reconstructed from; undefined where there is none. */
export async function seriesOrigin(seriesUid: string): Promise<SeriesOrigin | undefined> {
  try {
    return await requestJson<SeriesOrigin>(`/api/series/${segment(seriesUid)}/acquisition`);
  } catch (error) {
    if (error instanceof ServerError && error.status === 404) return undefined;
    throw error;
  }
}

export const findAcquisition = (id: string): Promise<Acquisition> => requestJson(`/api/acquisitions/${segment(id)}`);

/** Starts a reconstruction; the answer is its job. */
export async function startReconstruction(
  acquisitionId: string,
  method: string,
  parameters: Readonly<Record<string, ParameterValue>>,
): Promise<Job> {
  const answer = await requestJson<{ job: Job }>(`/api/acquisitions/${segment(acquisitionId)}/reconstructions`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ method, parameters }),
  });
  return answer.job;
}
