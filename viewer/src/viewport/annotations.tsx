import { dot, letters, negate, normalOf, planeName, scaleBar, sideOf, toCanvas, type PlaneView, type Size } from "../geometry";
import { describe, format, readAt } from "../probe";
import { overlayFor } from "../fusion";
import type { PlaneName, Vec3 } from "../geometry";
import type { Stack, Window } from "../series";
import { LongNames } from "../ui";
import type { Cell } from "../viewing";
import { brightnessOf, digitsOf } from "../window_level";

/** The letters of the patient's sides at the four edges; nothing where they are not known. */
export function OrientationLetters({ stack, view }: { stack: Stack; view: PlaneView }) {
  if (!stack.located || stack.positionAssumed) return null;
  return (
    <>
      <span class="letter letter-left" data-edge="left">{letters(negate(view.right))}</span>
      <span class="letter letter-right" data-edge="right">{letters(view.right)}</span>
      <span class="letter letter-top" data-edge="top">{letters(negate(view.down))}</span>
      <span class="letter letter-bottom" data-edge="bottom">{letters(view.down)}</span>
    </>
  );
}

/**
 * Which plane, and where: "axial H 12.5 mm", "coronal A 3.0 mm", "sagittal L 0.0 mm"; its distance for oblique. Where
 * the position is assumed, the scanner's axes take the place of the patient's: "xy z 12.5 mm".
 */
export function slicePosition(view: PlaneView, positionAssumed: boolean): string {
  const plane = planeName(view);
  if (plane === "oblique") return `oblique ${dot(view.centre, normalOf(view)).toFixed(1)} mm`;
  const axis = { sagittal: 0, coronal: 1, axial: 2 }[plane];
  const value = view.centre[axis]!;
  if (positionAssumed) return `${planeTitle(plane, true)} ${"xyz"[axis]} ${value.toFixed(1)} mm`;
  return `${plane} ${sideOf(axis, value)} ${Math.abs(value).toFixed(1)} mm`;
}

/** A plane's name: the patient's, or by the scanner's axes where the position is assumed. */
export const planeTitle = (plane: PlaneName, positionAssumed: boolean): string =>
  positionAssumed ? { axial: "xy", coronal: "xz", sagittal: "yz" }[plane] : plane;

/** What "position assumed" means, for the pointer that rests on it. */
const ASSUMED =
  "The raw data do not say how the subject lay in the scanner. Left, right, front, back, head and feet are not known, so none is named; x, y and z are the scanner's axes.";

const AssumedNote = () => (
  <div class="assumed-note" data-text="assumed" title={ASSUMED} aria-label={`Position assumed. ${ASSUMED}`}>
    position assumed
  </div>
);

const windowText = (window: Window, unit: string): string => {
  const digits = digitsOf(window);
  const [centre, width] = [(window.lower + window.upper) / 2, window.upper - window.lower];
  return unit.startsWith("SUV")
    ? `SUV ${window.lower.toFixed(1)} – ${window.upper.toFixed(1)}`
    : `C ${centre.toFixed(digits)}  W ${width.toFixed(digits)}${unit ? ` ${unit}` : ""}`;
};

interface CornersProps {
  readonly cell: Cell;
  readonly stack: Stack;
  readonly view: PlaneView;
  readonly patient: string;
  readonly title: string;
}

/** The texts in the four corners. */
export function Corners({ cell, stack, view, patient, title }: CornersProps) {
  const { window } = brightnessOf(stack);
  const slices = cell.slicing.value?.positions.length ?? 1;
  const overlay = overlayFor(stack);
  return (
    <>
      <div class="corner corner-tl">
        <div class="strong">{patient}</div>
        <div data-text="series">
          <LongNames>{title}</LongNames>
        </div>
        {overlay && <div class="overlay-note">+ {overlay.modality}</div>}
      </div>
      <div class="corner corner-tr">
        <div data-text="slice">
          {cell.sliceIndex.value + 1} / {slices}
        </div>
        {stack.located && (
          <div data-text="position">
            {slicePosition(view, stack.positionAssumed)}
          </div>
        )}
        {stack.positionAssumed && <AssumedNote />}
        {stack.part && <div>part {stack.part}</div>}
      </div>
      <div class="corner corner-br">
        {window.value && !stack.frames[0]!.pixels.rendered && <div data-text="window">{windowText(window.value, stack.scale.unit)}</div>}
        {stack.scale.note && <div class="overlay-note">{stack.scale.note}</div>}
      </div>
    </>
  );
}

/** The values under the pointer, of the picture and of what is laid over it. */
export function Probe({ stack, point }: { stack: Stack; point: Vec3 | undefined }) {
  if (!point) return null;
  const lines = [stack, overlayFor(stack)].flatMap((one) => {
    const reading = one && readAt(one, point);
    return one && reading ? [`${one.modality} ${describe(one, reading)}`] : [];
  });
  return (
    <div class="probe" data-text="probe">
      {lines.map((line) => (
        <div key={line}>{line}</div>
      ))}
      {stack.located && <div class="soft">{positionText(point, stack.positionAssumed)}</div>}
    </div>
  );
}

function positionText(point: Vec3, positionAssumed: boolean): string {
  const parts = point.map((value, axis) => {
    const shown = positionAssumed ? value : Math.abs(value);
    return `${positionAssumed ? "xyz"[axis] : sideOf(axis, value)} ${format(Number(shown.toFixed(1)))}`;
  });
  return `${parts.join("  ")} mm`;
}

interface LinesProps {
  readonly view: PlaneView;
  readonly size: Size;
  /** The point whose crossing lines are drawn; none where undefined. */
  readonly cross: Vec3 | undefined;
  readonly scaled: boolean;
}

/** The crosshair and the scale bar. */
export function Lines({ view, size, cross, scaled }: LinesProps) {
  const at = cross && toCanvas(view, size, cross);
  const bar = scaleBar(view.mmPerPixel, size.width / 4);
  const [x, y] = [(size.width - bar.pixels) / 2, size.height - 24];
  const gap = 14;
  return (
    <svg class="lines" width={size.width} height={size.height} aria-hidden="true">
      {at && (
        <g class="cross" data-cross={`${at[0].toFixed(1)},${at[1].toFixed(1)}`}>
          <path d={`M0 ${at[1]}H${at[0] - gap}M${at[0] + gap} ${at[1]}H${size.width}M${at[0]} 0V${at[1] - gap}M${at[0]} ${at[1] + gap}V${size.height}`} />
        </g>
      )}
      {scaled && (
        <g class="scale-bar">
          <path d={`M${x} ${y - 5}v5h${bar.pixels}v-5`} />
          <text x={size.width / 2} y={y - 8} text-anchor="middle">
            {bar.label}
          </text>
        </g>
      )}
    </svg>
  );
}
