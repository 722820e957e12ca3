import { isActive, type Job } from "../api";
import { Button, Message, ProgressBar } from "../ui";
import "./jobs.css";
import { cancel, dismiss, dismissSending, jobs, jobsError, sendings } from "./store";

const STATES: Readonly<Record<Job["state"], string>> = {
  queued: "waiting",
  running: "running",
  done: "done",
  failed: "failed",
  cancelled: "cancelled",
};

/** One job: what it is, how far, and its end; with a button to cancel or to dismiss it. */
export function JobRow({ job }: { job: Job }) {
  const active = isActive(job);
  return (
    <li class={`job job-${job.state}`} data-job={job.id}>
      <div class="job-head">
        <span class="job-title" title={job.title}>
          {job.title}
        </span>
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

/** Uploads and jobs, the newest first; nothing where there are none. */
export function JobList() {
  if (jobs.value.length === 0 && sendings.value.length === 0 && !jobsError.value) return null;
  return (
    <section class="jobs" aria-label="Jobs">
      <h2>Jobs</h2>
      {jobsError.value && <Message kind="error">{jobsError.value}</Message>}
      <ul>
        {sendings.value.map((sending) => (
          <li key={sending.id} class="job">
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
        ))}
        {jobs.value.map((job) => (
          <JobRow key={job.id} job={job} />
        ))}
      </ul>
    </section>
  );
}
