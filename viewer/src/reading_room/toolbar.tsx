import { FusionControls } from "../fusion";
import { SilentServer } from "../jobs";
import { Button, NotForDiagnosis } from "../ui";
import { linked } from "../viewing";
import { activeTool, TOOLS } from "../viewport";
import { WindowControls } from "../window_level";
import { KEYS } from "./keyboard";
import type { Layout, Room } from "./room";

const LAYOUTS: readonly (readonly [layout: Layout, title: string, key: string])[] = [
  ["single", "Single", "F1"],
  ["mpr", "Three planes", "F2"],
  ["compare", "Side by side", "F3"],
];

interface ToolbarProps {
  readonly room: Room;
  readonly rawShown: boolean;
  readonly onRaw: () => void;
}

export function Toolbar({ room, rawShown, onRaw }: ToolbarProps) {
  const study = room.study.value;
  const stack = room.active.value.stack.value;
  return (
    <header class="toolbar">
      <div class="toolbar-row">
        <a class="back" href="/" aria-label="Back to the studies">
          ‹ Studies
        </a>
        <h1 class="patient">
          {study?.patientName ?? ""} <span class="soft">{[study?.patientId, study?.date, study?.description].filter(Boolean).join(" · ")}</span>
        </h1>
        <NotForDiagnosis />
        <Button small pressed={rawShown} onClick={onRaw} title="The signal that this series was reconstructed from">
          Raw data
        </Button>
        <Help room={room} />
      </div>
      <div class="toolbar-row">
        <div class="tool-group" role="group" aria-label="Layout">
          {LAYOUTS.map(([layout, title, key]) => {
            const problem = layout === "mpr" ? room.mprProblem.value : "";
            return (
              <Button
                key={layout}
                small
                pressed={room.layout.value === layout}
                disabled={problem !== ""}
                title={problem || `${title} (${key})`}
                onClick={() => room.setLayout(layout)}
              >
                {title}
              </Button>
            );
          })}
          {room.layout.value === "compare" && (
            <Button small pressed={linked.value} onClick={() => room.setLinked(!linked.value)} title="Scroll, pan, zoom and window together">
              Linked
            </Button>
          )}
        </div>
        <div class="tool-group" role="group" aria-label="Left mouse button">
          {TOOLS.map(({ tool, title, key, hint }) => (
            <Button
              key={tool}
              small
              pressed={activeTool.value === tool}
              title={`${hint} (${key.toUpperCase()})`}
              onClick={() => (activeTool.value = tool)}
            >
              {title}
            </Button>
          ))}
          <Button small onClick={() => room.reset()} title="Whole picture and usual window (R)">
            Reset
          </Button>
        </div>
        {stack && <WindowControls stack={stack} compared={room.compared.value} />}
        {stack && <FusionControls base={stack} candidates={candidates(room)} />}
      </div>
      <SilentServer />
    </header>
  );
}

const candidates = (room: Room) =>
  room.series.value.flatMap((series) =>
    series.stacks.value.map((stack) => [stack, stack.part ? `${series.title} (${stack.part})` : series.title] as const),
  );

function Help({ room }: { room: Room }) {
  const open = room.helpShown;
  return (
    <div class="help">
      <Button small quiet pressed={open.value} label="Keyboard help" onClick={() => (open.value = !open.value)}>
        ?
      </Button>
      {open.value && (
        <dl class="help-list">
          {KEYS.map(([keys, what]) => (
            <div key={keys}>
              <dt>{keys}</dt>
              <dd>{what}</dd>
            </div>
          ))}
        </dl>
      )}
    </div>
  );
}
