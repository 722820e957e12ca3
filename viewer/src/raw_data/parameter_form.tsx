import type { Parameter, ParameterValue } from "../api";
import { Select } from "../ui";

export type Values = Readonly<Record<string, ParameterValue>>;

interface ParameterFormProps {
  readonly parameters: readonly Parameter[];
  readonly values: Values;
  readonly disabled: boolean;
  readonly onChange: (name: string, value: ParameterValue) => void;
}

/** Controls for a method's parameters, made from their descriptions. */
export function ParameterForm({ parameters, values, disabled, onChange }: ParameterFormProps) {
  if (parameters.length === 0) return <p class="soft">This method has no parameters.</p>;
  return (
    <div class="parameters">
      {parameters.map((parameter) => (
        <ParameterControl
          key={parameter.name}
          parameter={parameter}
          value={values[parameter.name] ?? null}
          disabled={disabled}
          onChange={(value) => onChange(parameter.name, value)}
        />
      ))}
    </div>
  );
}

/** "max_iterations" as "Max iterations". */
const titleOf = (name: string): string => {
  const words = name.replaceAll("_", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
};

const unitOf = ({ unit }: Parameter): string => (unit === "1" ? "" : unit);

interface ControlProps {
  readonly parameter: Parameter;
  readonly value: ParameterValue;
  readonly disabled: boolean;
  readonly onChange: (value: ParameterValue) => void;
}

function ParameterControl({ parameter, value, disabled, onChange }: ControlProps) {
  const title = titleOf(parameter.name);
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
      {set ? <ValueControl parameter={parameter} value={value} disabled={disabled} onChange={onChange} /> : <span class="soft">automatic</span>}
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

function ValueControl({ parameter, value, disabled, onChange }: ControlProps) {
  const id = `parameter-${parameter.name}`;
  if (parameter.kind === "boolean" || parameter.choices.length > 0) {
    const options = parameter.kind === "boolean" ? ["true", "false"] : parameter.choices;
    return (
      <Select
        label={titleOf(parameter.name)}
        name={parameter.name}
        value={String(value)}
        disabled={disabled}
        options={options.map((choice) => [choice, choice.replaceAll("_", " ")] as const)}
        onChange={(choice) => onChange(parameter.kind === "boolean" ? choice === "true" : choice)}
      />
    );
  }
  if (parameter.kind === "string") {
    return (
      <input class="input" id={id} name={parameter.name} value={String(value)} disabled={disabled} onChange={(event) => onChange(event.currentTarget.value)} />
    );
  }
  return <NumberControl id={id} parameter={parameter} value={Number(value)} disabled={disabled} onChange={onChange} />;
}

interface NumberControlProps {
  readonly id: string;
  readonly parameter: Parameter;
  readonly value: number;
  readonly disabled: boolean;
  readonly onChange: (value: number) => void;
}

/** A number field, with a slider where both ends are known. */
function NumberControl({ id, parameter, value, disabled, onChange }: NumberControlProps) {
  const { minimum, maximum, kind } = parameter;
  const step = kind === "integer" ? Math.max(1, Math.round(parameter.step ?? 1)) : (parameter.step ?? undefined);
  const limits = {
    ...(minimum !== null && { min: minimum }),
    ...(maximum !== null && { max: maximum }),
  };
  const ranged = minimum !== null && maximum !== null;
  return (
    <span class="number-control">
      {ranged && (
        <input
          type="range"
          {...limits}
          step={step ?? (maximum - minimum) / 100}
          value={value}
          disabled={disabled}
          aria-label={`${titleOf(parameter.name)}, slider`}
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
        value={value}
        disabled={disabled}
        onChange={(event) => {
          const typed = event.currentTarget.valueAsNumber;
          if (event.currentTarget.checkValidity() && Number.isFinite(typed)) onChange(typed);
          else event.currentTarget.reportValidity();
        }}
      />
    </span>
  );
}
