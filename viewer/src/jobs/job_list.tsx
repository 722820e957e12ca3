import { isActive, type Job } from "../api";
import { Button, Message, ProgressBar } from "../ui";
import "./jobs.css";
import { cancel, current, dismiss, dismissSending, finished, jobs, jobsError, sendings, silent, type Sending } from "./store";
import { summaryOf } from "./summary";

const STATES: Readonly<Record<Job["state"], string>> = {
  queued: "waiting",
  running: "running",
  done: "done",
  failed: "failed",
  cancelled: "cancelled",
};

const MOST_LINKS = 3;

/** One job: what it is, how far, and its end; with a button to cancel or to dismiss it; `onward`: with the way to what it stored. */
export function JobRow({ job, onward = false }: { job: Job; onward?: boolean }) {
  const active = isActive(job);
  return (
    <li class={`job job-${job.state}`} data-job={job.id}>
      <div class="job-head">
        <span class="job-title" title={job.title}>
          {job.title}
        </span>
        {onward && job.state === "done" && <StudyLinks job={job} />}
        <span class="job-state">{active && job.fraction > 0 ? `${Math.round(job.fraction * 100)} %` : STATES[job.state]}</span>
        {active ? (
          <Button small onClick={() => void cancel(job)} label={`Cancel ${job.title}`}>
            Cancel
          </Button>
        ) : (
          <Button small quiet onClick={() => dismiss(job)} label={`Dismiss ${job.title}`}>
            ✕
          </Button>
        )}
      </div>
      {active && <ProgressBar fraction={job.state === "queued" ? undefined : job.fraction} label={job.title} />}
      {active && job.message && <p class="job-message">{job.message}</p>}
      {job.error && <Message kind="error">{job.error}</Message>}
    </li>
  );
}

/** The way to what a job stored. */
function StudyLinks({ job }: { job: Job }) {
  const studies = job.result?.study_instance_uids ?? [];
  return (
    <>
      {studies.slice(0, MOST_LINKS).map((uid, index) => (
        <a key={uid} class="job-study" href={`/study/${encodeURIComponent(uid)}`}>
          {studies.length === 1 ? "Open the study" : `Study ${index + 1}`}
        </a>
      ))}
      {studies.length > MOST_LINKS && <span class="soft">and {studies.length - MOST_LINKS} more</span>}
    </>
  );
}

/** Says that the server does not answer, until it does. */
export const SilentServer = () => (silent.value ? <Message kind="error">The server does not answer; trying again</Message> : null);

/** Uploads and jobs, the newest first; those that ended are folded away. Nothing where there are none. */
export function JobList() {
  if (jobs.value.length === 0 && sendings.value.length === 0 && !jobsError.value && !silent.value) return null;
  return (
    <section class="jobs" aria-label="Jobs">
      <h2>Jobs</h2>
      <SilentServer />
      {jobsError.value && <Message kind="error">{jobsError.value}</Message>}
      {sendings.value.length + current.value.length > 0 && (
        <ul class="job-rows" tabIndex={0} aria-label="Jobs at work">
          {sendings.value.map((sending) => (
            <SendingRow key={sending.id} sending={sending} />
          ))}
          {current.value.map((job) => (
            <JobRow key={job.id} job={job} />
          ))}
        </ul>
      )}
      {finished.value.length > 0 && (
        <details class="jobs-finished">
          <summary>{summaryOf(finished.value)}</summary>
          <ul class="job-rows" tabIndex={0} aria-label="Finished jobs">
            {finished.value.map((job) => (
              <JobRow key={job.id} job={job} onward />
            ))}
          </ul>
        </details>
      )}
    </section>
  );
}

function SendingRow({ sending }: { sending: Sending }) {
  return (
    <li class="job">
      <div class="job-head">
        <span class="job-title">{sending.title}</span>
        <span class="job-state">{sending.error ? "not sent" : "sending"}</span>
        {sending.error && (
          <Button small quiet onClick={() => dismissSending(sending.id)} label={`Dismiss ${sending.title}`}>
            ✕
          </Button>
        )}
      </div>
      {sending.error ? <Message kind="error">{sending.error}</Message> : <ProgressBar fraction={sending.fraction} label={sending.title} />}
    </li>
  );
}
