import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";
import { Button, Message, ProgressBar } from "../ui";
import type { Part } from "./store";

interface SectionProps<T> {
  readonly title: string;
  readonly part: Part<T>;
  readonly children: (found: T) => ComponentChildren;
}

/** A part of the page: loaded when it is shown, with its error in place. */
export function Section<T>({ title, part, children }: SectionProps<T>) {
  useEffect(() => void part.load(), []);
  const id = `admin-${title.toLowerCase().replace(/\W+/g, "-")}`;
  return (
    <section class="admin-section" aria-labelledby={id}>
      <div class="admin-head">
        <h2 id={id}>{title}</h2>
        <Button small quiet onClick={() => void part.load()} label={`Reload ${title}`}>
          Reload
        </Button>
      </div>
      {part.error.value && <Message kind="error">{part.error.value}</Message>}
      {part.value.value === undefined && !part.error.value && <ProgressBar fraction={undefined} label={`Loading ${title}`} />}
      {part.value.value !== undefined && children(part.value.value)}
    </section>
  );
}

interface FormProps {
  readonly summary: string;
  readonly button: string;
  readonly fields: readonly (readonly [name: string, label: string, hint: string, type?: "number" | "password" | "checkbox"])[];
  readonly choices?: { readonly label: string; readonly name: string; readonly values: readonly string[] };
  /** Whether it was taken: then the form is emptied. */
  readonly onSend: (form: FormData) => Promise<boolean>;
}

/** A folded form that adds something, or changes what has the same name. */
export function Form({ summary, button, fields, choices, onSend }: FormProps) {
  const send = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    if (await onSend(new FormData(form))) form.reset();
  };
  return (
    <details class="admin-form">
      <summary>{summary}</summary>
      <form onSubmit={(event) => void send(event)}>
        {fields.map(([name, label, hint, type]) => (
          <label class="field" key={name}>
            <span class="field-label">{label}</span>
            {type === "checkbox" && <input type="checkbox" name={name} />}
            {type === "password" && <input class="input" type="password" name={name} autocomplete="new-password" />}
            {type === "number" && <input class="input" type="number" name={name} />}
            {type === undefined && <input class="input" name={name} placeholder={hint} autocomplete="off" />}
          </label>
        ))}
        {choices && (
          <fieldset>
            <legend>{choices.label}</legend>
            {choices.values.map((value) => (
              <label key={value}>
                <input type="checkbox" name={choices.name} value={value} /> {value}
              </label>
            ))}
          </fieldset>
        )}
        <button type="submit" class="button button-primary">
          {button}
        </button>
      </form>
    </details>
  );
}

/** A field of a sent form. */
export const field = (form: FormData, name: string): string => String(form.get(name) ?? "").trim();
