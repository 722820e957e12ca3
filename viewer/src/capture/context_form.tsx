import type { Signal } from "@preact/signals";
import type { NewPatient } from "../api";
import { Message, Select } from "../ui";
import { listsError, patient, studies, studyUid, whose, worklist, worklistItem, type Whose } from "./store";

const CHOICES: readonly (readonly [Whose, string])[] = [
  ["patient", "New study"],
  ["worklist", "Scheduled"],
  ["study", "Study in the archive"],
];

/** Of whom the capture is. */
export function ContextForm({ disabled }: { disabled: boolean }) {
  return (
    <fieldset class="capture-group" disabled={disabled}>
      <legend>Patient</legend>
      <div class="capture-choices" role="radiogroup" aria-label="Of whom">
        {CHOICES.map(([value, text]) => (
          <label key={value}>
            <input type="radio" name="whose" value={value} checked={whose.value === value} onChange={() => (whose.value = value)} /> {text}
          </label>
        ))}
      </div>
      {listsError.value && <Message kind="error">{listsError.value}</Message>}
      {whose.value === "patient" && <PatientFields />}
      {whose.value === "worklist" && (
        <Choice
          label="Scheduled examination"
          chosen={worklistItem}
          empty="Nothing is scheduled"
          options={worklist.value.map((item) => [item.id, `${shown(item.date, item.time)} ${item.patient_name} (${item.patient_id}) ${item.description}`])}
        />
      )}
      {whose.value === "study" && (
        <Choice
          label="Study"
          chosen={studyUid}
          empty="The archive is empty"
          options={studies.value.map((study) => [study.uid, `${study.date} ${study.patientName || "Unnamed patient"} (${study.patientId}) ${study.description}`])}
        />
      )}
    </fieldset>
  );
}

const shown = (date: string, time: string): string => `${date.slice(0, 4)}-${date.slice(4, 6)}-${date.slice(6, 8)} ${time.slice(0, 2)}:${time.slice(2, 4)}`.replace(/[ :-]+$/, "");

interface ChoiceProps {
  readonly label: string;
  readonly chosen: Signal<string>;
  readonly empty: string;
  readonly options: readonly (readonly [string, string])[];
}

function Choice({ label, chosen, empty, options }: ChoiceProps) {
  if (options.length === 0) return <Message kind="note">{empty}.</Message>;
  return <Select label={label} value={chosen.value} options={[["", "Choose …"], ...options]} onChange={(value) => (chosen.value = value)} />;
}

const FIELDS: readonly (readonly [keyof NewPatient, string, string])[] = [
  ["patient_name", "Name", "Family^Given"],
  ["patient_id", "Patient ID", ""],
  ["patient_birth_date", "Birth date", "YYYYMMDD"],
  ["accession_number", "Accession number", ""],
  ["study_description", "Study description", ""],
];

function PatientFields() {
  const set = (key: keyof NewPatient, value: string): void => {
    patient.value = { ...patient.value, [key]: value };
  };
  return (
    <div class="capture-fields">
      {FIELDS.map(([key, label, hint]) => (
        <div class="field" key={key}>
          <label for={`capture-${key}`}>{label}</label>
          <input
            class="input"
            id={`capture-${key}`}
            placeholder={hint}
            autocomplete="off"
            value={patient.value[key]}
            onInput={(event) => set(key, event.currentTarget.value)}
          />
        </div>
      ))}
      <div class="field">
        <span class="field-label">Sex</span>
        <Select
          label="Sex"
          value={patient.value.patient_sex}
          options={[
            ["", "Unknown"],
            ["F", "Female"],
            ["M", "Male"],
            ["O", "Other"],
          ]}
          onChange={(value) => set("patient_sex", value)}
        />
      </div>
    </div>
  );
}
