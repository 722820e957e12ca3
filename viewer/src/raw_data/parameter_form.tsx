import { useSignal } from "@preact/signals";
import type { Parameter, ParameterValue } from "../api";
import { Select } from "../ui";
import { choiceOf, problemOf, titleOf, unitOf } from "./range";

export type Values = Readonly<Record<string, ParameterValue>>;
/** Numbers as they were typed, usable or not. */
export type Typed = Readonly<Record<string, string>>;

interface ParameterFormProps {
  readonly parameters: readonly Parameter[];
  readonly values: Values;
  readonly typed: Typed;
  readonly disabled: boolean;
  readonly onChange: (name: string, value: ParameterValue) => void;
  readonly onType: (parameter: Parameter, text: string) => void;
}

/** Controls for a method's parameters, made from their descriptions. */
export function ParameterForm({ parameters, values, typed, disabled, onChange, onType }: ParameterFormProps) {
  if (parameters.length === 0) return <p class="soft">This method has no parameters.</p>;
  return (
    <div class="parameters">
      {parameters.map((parameter) => (
        <ParameterControl
          key={parameter.name}
          parameter={parameter}
          value={values[parameter.name] ?? null}
          typed={typed[parameter.name]}
          disabled={disabled}
          onChange={(value) => onChange(parameter.name, value)}
          onType={(text) => onType(parameter, text)}
        />
      ))}
    </div>
  );
}

interface ControlProps {
  readonly parameter: Parameter;
  readonly value: ParameterValue;
  readonly typed: string | undefined;
  readonly disabled: boolean;
  readonly onChange: (value: ParameterValue) => void;
  readonly onType: (text: string) => void;
}

function ParameterControl({ parameter, value, typed, disabled, onChange, onType }: ControlProps) {
  const title = titleOf(parameter);
  const set = value !== null;
  if (parameter.kind === "boolean" && !parameter.optional) {
    return (
      <div class="field">
        <label class="check" title={parameter.description}>
          <input
            type="checkbox"
            name={parameter.name}
            checked={value === true}
            disabled={disabled}
            onChange={(event) => onChange(event.currentTarget.checked)}
          />
          {title}
        </label>
        <p class="hint">{parameter.description}</p>
      </div>
    );
  }
  return (
    <div class="field">
      <span class="field-head">
        <label for={`parameter-${parameter.name}`}>
          {title}
          {unitOf(parameter) && <span class="unit"> [{unitOf(parameter)}]</span>}
        </label>
        {parameter.optional && (
          <label class="check small">
            <input
              type="checkbox"
              checked={set}
              disabled={disabled}
              aria-label={`Set ${title}`}
              onChange={(event) => onChange(event.currentTarget.checked ? startingValue(parameter) : null)}
            />
            set
          </label>
        )}
      </span>
      {set ? (
        <ValueControl parameter={parameter} value={value} typed={typed} disabled={disabled} onChange={onChange} onType={onType} />
      ) : (
        <span class="soft">automatic</span>
      )}
      <p class="hint">{parameter.description}</p>
    </div>
  );
}

/** What an optional parameter starts from when it is switched on. */
export function startingValue(parameter: Parameter): ParameterValue {
  if (parameter.default !== null) return parameter.default;
  if (parameter.kind === "boolean") return true;
  if (parameter.kind === "string") return parameter.choices[0] ?? "";
  return parameter.minimum ?? (parameter.maximum !== null ? Math.min(0, parameter.maximum) : 0);
}

function ValueControl({ parameter, value, typed, disabled, onChange, onType }: ControlProps) {
  const id = `parameter-${parameter.name}`;
  if (parameter.kind === "boolean" || parameter.choices.length > 0) {
    const options = parameter.kind === "boolean" ? ["true", "false"] : parameter.choices;
    return (
      <Select
        label={titleOf(parameter)}
        name={parameter.name}
        value={String(value)}
        disabled={disabled}
        options={options.map((choice) => [choice, choiceOf(choice)] as const)}
        onChange={(choice) => onChange(parameter.kind === "boolean" ? choice === "true" : choice)}
      />
    );
  }
  if (parameter.kind === "string") {
    return (
      <input class="input" id={id} name={parameter.name} value={String(value)} disabled={disabled} onChange={(event) => onChange(event.currentTarget.value)} />
    );
  }
  const numbers = { id, parameter, value: Number(value), typed, disabled, onChange, onType };
  return <NumberControl {...numbers} />;
}

interface NumberControlProps {
  readonly id: string;
  readonly parameter: Parameter;
  readonly value: number;
  readonly typed: string | undefined;
  readonly disabled: boolean;
  readonly onChange: (value: number) => void;
  readonly onType: (text: string) => void;
}

/** A number field, with a slider where both ends are known. Once left, it says under it what it cannot take. */
function NumberControl({ id, parameter, value, typed, disabled, onChange, onType }: NumberControlProps) {
  const left = useSignal(false);
  const problem = typed !== undefined && left.value ? problemOf(parameter, typed) : "";
  const { minimum, maximum, kind } = parameter;
  const step = kind === "integer" ? Math.max(1, Math.round(parameter.step ?? 1)) : (parameter.step ?? undefined);
  const limits = {
    ...(minimum !== null && { min: minimum }),
    ...(maximum !== null && { max: maximum }),
  };
  const ranged = minimum !== null && maximum !== null;
  return (
    <>
      <span class="number-control">
        {ranged && (
          <input
            type="range"
            {...limits}
            step={step ?? (maximum - minimum) / 100}
            value={value}
            disabled={disabled}
            aria-label={`${titleOf(parameter)}, slider`}
            onInput={(event) => onChange(Number(event.currentTarget.value))}
          />
        )}
        <input
          class="input"
          type="number"
          id={id}
          name={parameter.name}
          {...limits}
          step={kind === "integer" ? 1 : "any"}
          value={typed ?? String(value)}
          disabled={disabled}
          aria-invalid={problem ? true : undefined}
          aria-describedby={problem ? `${id}-problem` : undefined}
          onInput={(event) => {
            const text = event.currentTarget.value;
            if (!problemOf(parameter, text)) left.value = false;
            onType(text);
          }}
          onChange={() => (left.value = true)}
          onBlur={() => (left.value = true)}
        />
      </span>
      {problem && (
        <p class="problem" id={`${id}-problem`} role="alert">
          {problem}
        </p>
      )}
    </>
  );
}
