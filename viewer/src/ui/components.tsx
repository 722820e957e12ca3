import { Fragment, type ComponentChildren } from "preact";
import "./ui.css";

interface ButtonProps {
  readonly children: ComponentChildren;
  readonly onClick: () => void;
  /** What a screen reader says, where the text alone would not do. */
  readonly label?: string;
  readonly title?: string;
  readonly pressed?: boolean;
  readonly disabled?: boolean;
  readonly primary?: boolean;
  readonly small?: boolean;
  readonly quiet?: boolean;
}

export function Button({ children, onClick, label, title, pressed, disabled, primary, small, quiet }: ButtonProps) {
  const classes = ["button", primary && "button-primary", small && "button-small", quiet && "button-quiet", pressed && "button-pressed"];
  return (
    <button
      type="button"
      class={classes.filter(Boolean).join(" ")}
      onClick={onClick}
      aria-label={label}
      title={title ?? label}
      aria-pressed={pressed}
      disabled={disabled}
    >
      {children}
    </button>
  );
}

/** A line that tells the reader something; errors are announced. */
export function Message({ kind, children }: { kind: "error" | "note"; children: ComponentChildren }) {
  return (
    <div class={`message message-${kind}`} role={kind === "error" ? "alert" : "status"}>
      {children}
    </div>
  );
}

/** How far something is; without a fraction it only says that it goes on. */
export function ProgressBar({ fraction, label }: { fraction: number | undefined; label: string }) {
  const percent = fraction === undefined ? undefined : Math.round(Math.min(1, Math.max(0, fraction)) * 100);
  return (
    <div
      class={percent === undefined ? "progress progress-unknown" : "progress"}
      role="progressbar"
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={percent}
    >
      <div style={percent === undefined ? undefined : { width: `${percent}%` }} />
    </div>
  );
}

/** Says on every page what the pictures may not be used for. */
export const NotForDiagnosis = () => <span class="badge">Not for diagnostic use</span>;

export const Tag = ({ children }: { children: ComponentChildren }) => <span class="tag">{children}</span>;

/** A text with names like root_sum_of_squares=2, which continue in the next line after "_" or "=", not within a word. */
export const LongNames = ({ children }: { children: string }) => (
  <>
    {children.split(/(?<=[_=])/).map((part, index) => (
      <Fragment key={index}>
        {index > 0 && <wbr />}
        {part}
      </Fragment>
    ))}
  </>
);

interface SelectProps<T extends string> {
  readonly label: string;
  readonly value: T;
  readonly options: readonly (readonly [value: T, text: string])[];
  readonly onChange: (value: T) => void;
  readonly disabled?: boolean;
  readonly name?: string;
}

export function Select<T extends string>({ label, value, options, onChange, disabled, name }: SelectProps<T>) {
  return (
    <select
      class="input"
      aria-label={label}
      title={label}
      name={name}
      value={value}
      disabled={disabled}
      onChange={(event) => onChange(event.currentTarget.value as T)}
    >
      {options.map(([option, text]) => (
        <option key={option} value={option} selected={option === value}>
          {text}
        </option>
      ))}
    </select>
  );
}

interface NumberInputProps {
  readonly label: string;
  readonly value: number;
  readonly onChange: (value: number) => void;
  readonly digits: number;
  readonly minimum?: number;
}

/** A number that takes effect on Enter or when left; what is no number is put back. */
export function NumberInput({ label, value, onChange, digits, minimum }: NumberInputProps) {
  const shown = value.toFixed(digits);
  const commit = (input: HTMLInputElement): void => {
    const typed = Number(input.value);
    const usable = input.value.trim() !== "" && Number.isFinite(typed) && (minimum === undefined || typed >= minimum);
    if (usable && input.value !== shown) onChange(typed);
    else input.value = shown;
  };
  return (
    <input
      class="input number-input"
      type="text"
      inputMode="decimal"
      aria-label={label}
      title={label}
      value={shown}
      onChange={(event) => commit(event.currentTarget)}
      onKeyDown={(event) => {
        event.stopPropagation();
        if (event.key === "Enter") event.currentTarget.blur();
      }}
    />
  );
}
