import { signal, useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { AccountMenu, may, ShareButton } from "../access";
import { findStudies, isActive, messageOf, type Study } from "../api";
import { DropZone, JobList, jobs, onJobEnd, refreshJobs } from "../jobs";
import { Button, Message, NotForDiagnosis, ProgressBar, Tag } from "../ui";
import { matching } from "./matching";
import "./study_list.css";

const studies = signal<readonly Study[] | undefined>(undefined);
const error = signal("");

async function load(): Promise<void> {
  try {
    studies.value = await findStudies();
    error.value = "";
  } catch (problem) {
    error.value = messageOf(problem);
  }
}

/** The first page: what is in the archive, what is being added, and where to add more. */
export function StudyList() {
  const query = useSignal("");
  useEffect(() => {
    document.title = "Pellucid";
    void load();
    void refreshJobs();
    const stop = onJobEnd(() => void load());
    // A long job stores series as it goes.
    const timer = setInterval(() => jobs.value.some(isActive) && void load(), 5000);
    return () => {
      stop();
      clearInterval(timer);
    };
  }, []);
  return (
    <div class="page">
      <header class="page-head">
        <h1>Pellucid</h1>
        <nav class="page-links" aria-label="Pages">
          {may("store") && <a href="/capture">Capture</a>}
          {may("administer") && <a href="/admin">Administration</a>}
        </nav>
        <AccountMenu />
        <NotForDiagnosis />
      </header>
      <main>
        <DropZone>
          <JobList />
          <section class="studies" aria-label="Studies">
            <div class="studies-head">
              <h2>Studies</h2>
              <input
                class="input"
                type="search"
                placeholder="Find a patient, date or description"
                aria-label="Find studies"
                onInput={(event) => (query.value = event.currentTarget.value)}
              />
            </div>
            {error.value && (
              <Message kind="error">
                <span>{error.value}</span>
                <Button small onClick={() => void load()}>
                  Try again
                </Button>
              </Message>
            )}
            {studies.value === undefined && !error.value && <ProgressBar fraction={undefined} label="Loading studies" />}
            {studies.value && <StudyTable studies={matching(studies.value, query.value)} total={studies.value.length} />}
          </section>
        </DropZone>
      </main>
    </div>
  );
}

function StudyTable({ studies, total }: { studies: readonly Study[]; total: number }) {
  if (total === 0) return <Message kind="note">The archive is empty. Add DICOM files or raw data above.</Message>;
  if (studies.length === 0) return <Message kind="note">No study matches. Change or clear the search.</Message>;
  return (
    <table class="study-table">
      <thead>
        <tr>
          <th scope="col">Patient</th>
          <th scope="col">Date</th>
          <th scope="col">Modalities</th>
          <th scope="col">Description</th>
          <th scope="col" class="count">
            Series
          </th>
        </tr>
      </thead>
      <tbody>
        {studies.map((study) => (
          <StudyRow key={study.uid} study={study} />
        ))}
      </tbody>
    </table>
  );
}

const StudyRow = ({ study }: { study: Study }) => (
  <tr>
    <td>
      <a href={`/study/${encodeURIComponent(study.uid)}`} class="study-link">
        {study.patientName || "Unnamed patient"}
      </a>
      <span class="soft">{study.patientId}</span>
    </td>
    <td class="date">
      {study.date || "—"} <span class="soft">{study.time}</span>
    </td>
    <td>
      <span class="tags">
        {study.modalities.map((modality) => (
          <Tag key={modality}>{modality}</Tag>
        ))}
      </span>
    </td>
    <td class="description">{study.description || <span class="soft">No description</span>}</td>
    <td class="count">
      {study.series ?? ""} <ShareButton study={study} />
    </td>
  </tr>
);
