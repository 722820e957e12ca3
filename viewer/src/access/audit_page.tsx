import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { messageOf, searchAudit, type AuditRecord, type AuditSearch } from "../api";
import { Button, Message, Select } from "../ui";
import { Field, Submit } from "./form";
import "./access.css";

const EVENTS = [
  "Application Activity", "Audit Log Used", "DICOM Instances Accessed", "DICOM Instances Transferred", "DICOM Study Deleted", "Export", "Import",
  "Order Record", "Patient Record", "Procedure Record", "Query", "Security Alert", "User Authentication",
] as const;
const CHOICES: readonly (readonly [string, string])[] = [["", "All events"], ...EVENTS.map((event) => [event, event] as const)];

/** The audit trail, searched; that somebody does is itself noted in it. */
export default function AuditPage() {
  const event = useSignal("");
  const who = useSignal("");
  const subject = useSignal("");
  const since = useSignal("");
  const until = useSignal("");
  const failures = useSignal(false);
  const records = useSignal<readonly AuditRecord[] | undefined>(undefined);
  const more = useSignal(false);
  const problem = useSignal("");
  const search = async (before = 0): Promise<void> => {
    problem.value = "";
    const asked: AuditSearch = {
      event: event.value, who: who.value, subject: subject.value, since: since.value, until: until.value, failures: failures.value,
    };
    try {
      const found = await searchAudit(asked, before);
      records.value = before ? [...(records.value ?? []), ...found.records] : found.records;
      more.value = found.more;
    } catch (error) {
      problem.value = messageOf(error);
    }
  };
  useEffect(() => {
    document.title = "Audit trail – Pellucid";
    void search();
  }, []);
  return (
    <main class="page sections">
      <header class="page-head">
        <h1>Audit trail</h1>
        <a href="/">Studies</a>
      </header>
      <form class="card audit-search" role="search" aria-label="Audit trail" onSubmit={(submit) => (submit.preventDefault(), void search())}>
        <div class="field">
          <span class="field-label">Event</span>
          <Select label="Event" value={event.value} options={CHOICES} onChange={(value) => (event.value = value)} />
        </div>
        <Field label="Who" name="who" value={who} />
        <Field label="Study Instance UID or Patient ID" name="subject" value={subject} />
        <Field label="From" name="since" type="date" value={since} />
        <Field label="To" name="until" type="date" value={until} />
        <label class="check">
          <input type="checkbox" checked={failures.value} onChange={(change) => (failures.value = change.currentTarget.checked)} /> Only failures
        </label>
        <Submit>Search</Submit>
      </form>
      {problem.value && <Message kind="error">{problem.value}</Message>}
      {records.value && <Records records={records.value} />}
      {more.value && <Button onClick={() => void search(records.value?.at(-1)?.sequence)}>Older records</Button>}
    </main>
  );
}

function Records({ records }: { records: readonly AuditRecord[] }) {
  if (records.length === 0) return <Message kind="note">No record matches.</Message>;
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label="Records">
      <table class="audit-table">
        <caption class="visually-hidden">Records, the newest first</caption>
        <thead>
          <tr>
            {["No.", "Time", "Who", "From", "Event", "About"].map((title) => (
              <th scope="col" key={title}>
                {title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {records.map((record) => (
            <tr key={record.sequence} class={record.outcome ? "audit-failure" : undefined}>
              <td>
                <a href={`/api/audit/${record.sequence}`}>{record.sequence}</a>
              </td>
              <td>{new Date(record.time).toLocaleString()}</td>
              <td>{record.caller}</td>
              <td>{record.address}</td>
              <td>
                {record.event}
                {record.outcome !== 0 && <strong> failed</strong>}
              </td>
              <td class="about">{about(record)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

const about = ({ studies, detail }: AuditRecord): string =>
  [
    ...Object.entries(studies).map(([study, patient]) => (patient ? `${study} (${patient})` : study)),
    ...Object.entries(detail).map(([name, value]) => `${name}: ${value}`),
  ].join("; ");
