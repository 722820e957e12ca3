import { signal, type Signal } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";
import {
  findAcquisition,
  isActive,
  messageOf,
  seriesOrigin,
  startReconstruction,
  type Acquisition,
  type Job,
  type Method,
  type Parameter,
  type ParameterValue,
  type SeriesOrigin,
} from "../api";
import { follow, JobRow, jobs } from "../jobs";
import { Button, Message, ProgressBar, Select } from "../ui";
import { ParameterForm, type Typed, type Values } from "./parameter_form";
import { problemOf } from "./range";
import "./raw_data.css";

interface RawDataPanelProps {
  readonly seriesUid: string;
  /** Called with the new series when a reconstruction is done. */
  readonly onReconstructed: (seriesUid: string) => Promise<void>;
  readonly onClose: () => void;
}

/** The state of the panel for one series. */
class PanelState {
  /** Undefined while loading; `null` where the series was not made here. */
  readonly acquisition = signal<Acquisition | null | undefined>(undefined);
  readonly error = signal("");
  readonly method = signal("");
  readonly values = signal<Values>({});
  readonly typed = signal<Typed>({});
  readonly jobId = signal<string | undefined>(undefined);

  constructor(readonly seriesUid: string) {}

  async load(): Promise<void> {
    try {
      const origin = await seriesOrigin(this.seriesUid);
      if (!origin) {
        this.acquisition.value = null;
        return;
      }
      const acquisition = await findAcquisition(origin.acquisition_id);
      this.start(acquisition, origin);
      this.acquisition.value = acquisition;
    } catch (problem) {
      this.error.value = messageOf(problem);
    }
  }

  /** Begins with the method and parameters that the series was made with. */
  private start(acquisition: Acquisition, origin: SeriesOrigin): void {
    const name = origin.method.split(".").at(-1) ?? "";
    const known = acquisition.methods.find((method) => method.name === name);
    this.choose(acquisition, known ? name : acquisition.default_method);
    if (!known) return;
    const usable = Object.entries(origin.parameters).filter(([key]) => known.parameters.some((parameter) => parameter.name === key));
    this.values.value = { ...this.values.value, ...Object.fromEntries(usable) };
  }

  choose(acquisition: Acquisition, name: string): void {
    this.method.value = name;
    this.typed.value = {};
    const method = acquisition.methods.find((candidate) => candidate.name === name);
    this.values.value = Object.fromEntries((method?.parameters ?? []).map((parameter) => [parameter.name, parameter.default]));
  }

  set(name: string, value: ParameterValue): void {
    this.values.value = { ...this.values.value, [name]: value };
    this.typed.value = Object.fromEntries(Object.entries(this.typed.value).filter(([other]) => other !== name));
  }

  /** Keeps a number as it was typed, and takes it where it can be used. */
  type(parameter: Parameter, text: string): void {
    if (!problemOf(parameter, text)) this.values.value = { ...this.values.value, [parameter.name]: Number(text) };
    this.typed.value = { ...this.typed.value, [parameter.name]: text };
  }

  /** Starts the job; where a number cannot be used, its field says so, and nothing starts. */
  async reconstruct(acquisition: Acquisition): Promise<void> {
    this.error.value = "";
    const method = acquisition.methods.find((candidate) => candidate.name === this.method.value);
    const refused = method?.parameters.find((parameter) => {
      const text = this.typed.value[parameter.name];
      return text !== undefined && problemOf(parameter, text) !== "";
    });
    if (refused) {
      document.getElementById(`parameter-${refused.name}`)?.focus();
      return;
    }
    try {
      const job = await startReconstruction(acquisition.id, this.method.value, this.values.value);
      this.jobId.value = job.id;
      follow(job);
    } catch (problem) {
      this.error.value = messageOf(problem);
    }
  }
}

/** The signal behind a series, and the means to reconstruct it again. */
export function RawDataPanel({ seriesUid, onReconstructed, onClose }: RawDataPanelProps) {
  const state = useMemo(() => new PanelState(seriesUid), [seriesUid]);
  useEffect(() => void state.load(), [state]);
  const acquisition = state.acquisition.value;
  return (
    <aside class="raw-panel" aria-label="Raw data">
      <div class="raw-head">
        <h2>Raw data</h2>
        <Button small quiet label="Close raw data" onClick={onClose}>
          ✕
        </Button>
      </div>
      {state.error.value && <Message kind="error">{state.error.value}</Message>}
      {acquisition === undefined && !state.error.value && <ProgressBar fraction={undefined} label="Loading raw data" />}
      {acquisition === null && (
        <Message kind="note">
          This series came as pictures: there is no signal to reconstruct. Add the scanner's raw data on the page of studies.
        </Message>
      )}
      {acquisition && (
        <>
          <SignalViews acquisition={acquisition} />
          <Summary acquisition={acquisition} />
          <Reconstruction state={state} acquisition={acquisition} onReconstructed={onReconstructed} />
        </>
      )}
    </aside>
  );
}

const SignalViews = ({ acquisition }: { acquisition: Acquisition }) => (
  <div class="signals">
    {acquisition.signal_views.map((view) => (
      <figure key={view.url} class="signal">
        <img src={view.url} alt={`${view.title}: ${view.row_axis} against ${view.column_axis}`} loading="lazy" />
        <figcaption>
          {view.title}
          <span class="soft">
            ↓ {view.row_axis} → {view.column_axis}
          </span>
        </figcaption>
      </figure>
    ))}
  </div>
);

const Summary = ({ acquisition }: { acquisition: Acquisition }) => (
  <dl class="summary">
    {Object.entries(acquisition.summary).map(([label, value]) => (
      <div key={label}>
        <dt>{label}</dt>
        <dd>{String(value)}</dd>
      </div>
    ))}
  </dl>
);

interface ReconstructionProps {
  readonly state: PanelState;
  readonly acquisition: Acquisition;
  readonly onReconstructed: (seriesUid: string) => Promise<void>;
}

function Reconstruction({ state, acquisition, onReconstructed }: ReconstructionProps) {
  const method = acquisition.methods.find((candidate) => candidate.name === state.method.value);
  const job = useJob(state.jobId, async (done) => {
    const [made] = done.result?.series_instance_uids ?? [];
    try {
      if (made) await onReconstructed(made);
    } catch (problem) {
      state.error.value = messageOf(problem);
    }
  });
  const working = job !== undefined && isActive(job);
  return (
    <section class="reconstruction" aria-label="Reconstruct">
      <h2>Reconstruct again</h2>
      <Select
        label="Method"
        name="method"
        value={state.method.value}
        disabled={working}
        options={acquisition.methods.map(({ name, title }) => [name, title] as const)}
        onChange={(name) => state.choose(acquisition, name)}
      />
      {method && <MethodSource method={method} />}
      <ParameterForm
        key={state.method.value}
        parameters={method?.parameters ?? []}
        values={state.values.value}
        typed={state.typed.value}
        disabled={working}
        onChange={(name, value) => state.set(name, value)}
        onType={(parameter, text) => state.type(parameter, text)}
      />
      <div class="reconstruction-actions">
        {job && (
          <ul>
            <JobRow job={job} />
          </ul>
        )}
        <Button primary disabled={working || !method} onClick={() => void state.reconstruct(acquisition)}>
          Reconstruct
        </Button>
      </div>
    </section>
  );
}

const MethodSource = ({ method }: { method: Method }) => (method.source ? <p class="hint">{method.source}</p> : null);

/** The job that was started here, as it is now; calls `onDone` once when it has succeeded. */
function useJob(id: Signal<string | undefined>, onDone: (job: Job) => Promise<void>): Job | undefined {
  const job = jobs.value.find((candidate) => candidate.id === id.value);
  const done = job?.state === "done";
  useEffect(() => {
    if (job && done) void onDone(job);
  }, [id.value, done]);
  return job;
}
