import { signal, useSignal } from "@preact/signals";
import { useMemo, useRef } from "preact/hooks";
import { toPatient, type Point } from "../geometry";
import { filmUrlOf } from "../series";
import { pixelsOf, scrollBy, type Cell } from "../viewing";
import { Message, ProgressBar } from "../ui";
import { Corners, Lines, OrientationLetters, planeTitle, Probe } from "./annotations";
import { pointOf, startDrag, wheelSlices, wheelZoom, type Handlers } from "./interaction";
import { useRenderer } from "./use_renderer";
import "./viewport.css";

interface ViewportProps {
  readonly cell: Cell;
  readonly active: boolean;
  readonly patient: string;
  readonly title: string;
  readonly handlers: Handlers;
  readonly crosshair: boolean;
  readonly onActivate: () => void;
}

/** One viewport: the picture, what is written on it, and what the pointer does to it. */
export function Viewport({ cell, active, patient, title, handlers, crosshair, onActivate }: ViewportProps) {
  const host = useRef<HTMLDivElement>(null);
  const status = useMemo(() => ({ error: signal(""), drawn: signal(0), busy: signal(false) }), [cell]);
  const pointer = useSignal<Point | undefined>(undefined);
  const drag = useRef<((event: PointerEvent) => void) | undefined>(undefined);
  useRenderer(host, cell, status);
  const stack = cell.stack.value;
  const view = cell.view.value;
  const film = stack && filmUrlOf(stack);
  const at = pointer.value && view && toPatient(view, cell.size.value, pointer.value);
  return (
    <section
      class={active ? "viewport viewport-active" : "viewport"}
      aria-label={`${cell.plane === "acquired" ? "Picture" : planeTitle(cell.plane, stack?.positionAssumed ?? false)}: ${title || "empty"}`}
      data-plane={cell.plane}
      data-drawn={status.drawn.value}
      aria-busy={status.busy.value}
      onPointerDown={(event) => {
        onActivate();
        drag.current = startDrag(event, event.currentTarget, cell, handlers);
        event.currentTarget.setPointerCapture(event.pointerId);
      }}
      onPointerMove={(event) => {
        pointer.value = pointOf(event, event.currentTarget);
        drag.current?.(event);
      }}
      onPointerUp={() => (drag.current = undefined)}
      onPointerCancel={() => (drag.current = undefined)}
      onPointerLeave={() => (pointer.value = undefined)}
      onContextMenu={(event) => event.preventDefault()}
      onWheel={(event) => {
        event.preventDefault();
        onActivate();
        if (event.ctrlKey && view) handlers.setCamera(wheelZoom(view, cell, pointOf(event, event.currentTarget), event.deltaY));
        else scrollBy(cell, wheelSlices(event));
      }}
    >
      <div ref={host} class="viewport-host" />
      {stack && view && (
        <div class="viewport-marks">
          <Lines view={view} size={cell.size.value} scaled={stack.located} cross={crosshair ? cell.cursor.value?.value : undefined} />
          <OrientationLetters stack={stack} view={view} />
          <Corners cell={cell} stack={stack} view={view} patient={patient} title={title} />
          <Probe stack={stack} point={at} />
        </div>
      )}
      <Loading cell={cell} drawn={status.drawn.value > 0} />
      {film && <video class="viewport-film" src={film} controls aria-label={title} onPointerDown={(event) => event.stopPropagation()} />}
      {status.error.value && !film && (
        <div class="viewport-message">
          <Message kind="error">{status.error.value}</Message>
        </div>
      )}
    </section>
  );
}

/** A thin bar while pictures are on their way. */
function Loading({ cell, drawn }: { cell: Cell; drawn: boolean }) {
  const stack = cell.stack.value;
  if (!stack) return <p class="viewport-empty">Choose a series at the left.</p>;
  const pixels = pixelsOf(stack);
  const count = stack.frames.length;
  if (pixels.loaded.value >= count || pixels.error.value) return null;
  return (
    <div class="viewport-loading">
      {!drawn && <p>{`Loading ${pixels.loaded.value} of ${count} pictures`}</p>}
      <ProgressBar fraction={pixels.loaded.value / count} label="Loading pictures" />
    </div>
  );
}
