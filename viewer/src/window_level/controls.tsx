import type { Stack } from "../series";
import { Button, NumberInput, Select } from "../ui";
import { digitsOf, presetsFor } from "./presets";
import { brightnessOf, setWindow } from "./store";

/** Presets, centre and width of a stack's window, and inversion. */
export function WindowControls({ stack, compared }: { stack: Stack; compared: readonly Stack[] }) {
  const { window, inverted } = brightnessOf(stack);
  const shown = window.value;
  if (!shown || stack.frames[0]!.pixels.rendered) return null;
  const presets = presetsFor(stack.modality, stack.scale.unit);
  const active = presets.find((preset) => preset.window.lower === shown.lower && preset.window.upper === shown.upper);
  const centre = (shown.lower + shown.upper) / 2;
  const width = shown.upper - shown.lower;
  const set = (newCentre: number, newWidth: number): void =>
    setWindow(stack, { lower: newCentre - newWidth / 2, upper: newCentre + newWidth / 2 }, compared);
  return (
    <div class="tool-group" role="group" aria-label="Window">
      {presets.length > 0 && (
        <Select
          label="Window preset"
          name="preset"
          value={active?.name ?? ""}
          options={[["", "Window…"], ...presets.map((preset) => [preset.name, preset.name] as const)]}
          onChange={(name) => {
            const preset = presets.find((candidate) => candidate.name === name);
            if (preset) setWindow(stack, preset.window, compared);
          }}
        />
      )}
      <label class="inline-field">
        <span>C</span>
        <NumberInput label="Window centre" value={centre} digits={digitsOf(shown)} onChange={(value) => set(value, width)} />
      </label>
      <label class="inline-field">
        <span>W</span>
        <NumberInput label="Window width" value={width} digits={digitsOf(shown)} minimum={1e-6} onChange={(value) => set(centre, value)} />
      </label>
      <Button small pressed={inverted.value} onClick={() => (inverted.value = !inverted.value)} title="Invert (I)">
        Invert
      </Button>
    </div>
  );
}
