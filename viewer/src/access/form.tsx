import type { Signal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";

interface FieldProps {
  readonly label: string;
  readonly name: string;
  readonly value: Signal<string>;
  readonly type?: "text" | "password" | "number" | "date";
  readonly autocomplete?: string;
  readonly help?: string;
  readonly required?: boolean;
  readonly focus?: boolean;
  readonly minimum?: number;
  readonly maximum?: number;
}

/** A labelled input; what helps to fill it in is read with it. */
export function Field({ label, name, value, type = "text", autocomplete, help, required, focus, minimum, maximum }: FieldProps) {
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => {
    if (focus) input.current?.focus();
  }, [focus]);
  const id = `field-${name}`;
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <input
        ref={input}
        id={id}
        name={name}
        class="input"
        type={type as "text"}
        value={value.value}
        autocomplete={autocomplete ?? "off"}
        required={required}
        min={minimum}
        max={maximum}
        aria-describedby={help ? `${id}-help` : undefined}
        onInput={(event) => (value.value = event.currentTarget.value)}
      />
      {help && (
        <span class="soft" id={`${id}-help`}>
          {help}
        </span>
      )}
    </div>
  );
}

export const Submit = ({ children, busy }: { children: ComponentChildren; busy?: boolean }) => (
  <button type="submit" class="button button-primary" disabled={busy}>
    {children}
  </button>
);

/** A moment in Unix seconds as people write it here. */
export const moment = (seconds: number): string => (seconds ? new Date(seconds * 1000).toLocaleString() : "never");

/** Something that is shown once: to be copied now. */
export function Secret({ label, text }: { label: string; text: string }) {
  const output = useRef<HTMLInputElement>(null);
  useEffect(() => {
    output.current?.select();
  }, [text]);
  return (
    <div class="field" role="status">
      <label for="secret">{label}</label>
      <input ref={output} id="secret" class="input secret" type="text" readOnly value={text} onFocus={(event) => event.currentTarget.select()} />
      <button type="button" class="button button-small" onClick={() => void navigator.clipboard.writeText(text)}>
        Copy
      </button>
    </div>
  );
}
