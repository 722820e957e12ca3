import type { Stack } from "../series";
import { NumberInput, Select } from "../ui";
import { digitsOf } from "../window_level";
import "./fusion.css";
import { gradient, paletteByName, PALETTES } from "./palettes";
import { canFuse, changeFusion, fusion, isUnrelated, overlayFor } from "./store";

interface FusionControlsProps {
  readonly base: Stack;
  /** What could be laid over, with the text that names it. */
  readonly candidates: readonly (readonly [stack: Stack, title: string])[];
}

/** Chooses what is laid over the picture, its colours, opacity and window. */
export function FusionControls({ base, candidates }: FusionControlsProps) {
  const usable = candidates.filter(([stack]) => canFuse(base, stack));
  const unrelated = candidates.some(([stack]) => isUnrelated(base, stack));
  if (usable.length === 0) return unrelated ? <NoFusion /> : null;
  const overlay = overlayFor(base);
  const { palette, opacity, window } = fusion.value;
  return (
    <div class="tool-group" role="group" aria-label="Fusion">
      <Select
        label="Fuse with"
        name="overlay"
        value={overlay?.key ?? ""}
        options={[["", "No fusion"], ...usable.map(([stack, title]) => [stack.key, `Fuse: ${title}`] as const)]}
        onChange={(key) => changeFusion({ overlay: usable.find(([stack]) => stack.key === key)?.[0], window: undefined })}
      />
      {unrelated && <NoFusion />}
      {overlay && (
        <>
          <Select
            label="Colours of the fused picture"
            name="palette"
            value={palette}
            options={PALETTES.map(({ name, title }) => [name, title] as const)}
            onChange={(name) => changeFusion({ palette: name })}
          />
          <label class="inline-field">
            <span>Opacity</span>
            <input
              type="range"
              min="0"
              max="1"
              step="0.05"
              value={opacity}
              aria-label="Opacity of the fused picture"
              onInput={(event) => changeFusion({ opacity: Number(event.currentTarget.value) })}
            />
          </label>
          {window && (
            <span class="colour-scale">
              <NumberInput
                label="Lowest colour at"
                value={window.lower}
                digits={digitsOf(window)}
                onChange={(lower) => lower < window.upper && changeFusion({ window: { ...window, lower } })}
              />
              <span class="colour-bar" style={{ background: gradient(paletteByName(palette)) }} />
              <NumberInput
                label="Highest colour at"
                value={window.upper}
                digits={digitsOf(window)}
                onChange={(upper) => upper > window.lower && changeFusion({ window: { ...window, upper } })}
              />
              <span class="soft">{overlay.scale.unit}</span>
            </span>
          )}
        </>
      )}
    </div>
  );
}

/** Why a series is not offered. */
const NoFusion = () => (
  <span
    class="overlay-note"
    data-text="no-fusion"
    title="A series whose position is assumed cannot be laid over others: the raw data do not say where it lies in the patient."
  >
    No fusion: position assumed
  </span>
);
