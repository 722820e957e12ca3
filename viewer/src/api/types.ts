/** The JSON of the server's `/api`. */

export interface Job {
  readonly id: string;
  readonly kind: "upload" | "reconstruction" | "demo" | "capture";
  readonly title: string;
  readonly state: "queued" | "running" | "done" | "failed" | "cancelled";
  readonly fraction: number;
  readonly message: string;
  readonly error: string | null;
  readonly created: string;
  readonly result: JobResult | null;
}

export interface JobResult {
  readonly study_instance_uids?: readonly string[];
  readonly series_instance_uids?: readonly string[];
  readonly acquisition_ids?: readonly string[];
}

/** One parameter of a method. */
export interface Parameter {
  readonly name: string;
  readonly kind: "boolean" | "integer" | "number" | "string";
  readonly default: ParameterValue;
  readonly choices: readonly string[];
  readonly optional: boolean;
  readonly description: string;
  readonly unit: string;
  readonly minimum: number | null;
  readonly maximum: number | null;
  readonly step: number | null;
}

export type ParameterValue = boolean | number | string | null;

export interface Method {
  readonly name: string;
  readonly title: string;
  readonly source: string;
  readonly parameters: readonly Parameter[];
}

export interface SignalView {
  readonly title: string;
  readonly row_axis: string;
  readonly column_axis: string;
  readonly url: string;
}

export interface Acquisition {
  readonly id: string;
  readonly modality: string;
  readonly description: string;
  readonly patient_name: string;
  readonly study_instance_uid: string;
  readonly created: string;
  readonly series_instance_uids: readonly string[];
  readonly summary: Readonly<Record<string, unknown>>;
  readonly default_method: string;
  readonly methods: readonly Method[];
  readonly signal_views: readonly SignalView[];
}

/** Which acquisition a series was reconstructed from, and how. */
export interface SeriesOrigin {
  readonly acquisition_id: string;
  readonly method: string;
  readonly parameters: Readonly<Record<string, ParameterValue>>;
}

export const isActive = (job: Job): boolean => job.state === "queued" || job.state === "running";
