import { useSignal } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";
import { onJobEnd, refreshJobs } from "../jobs";
import { RawDataPanel } from "../raw_data";
import { Message, ProgressBar } from "../ui";
import { Viewport } from "../viewport";
import { pressed } from "./keyboard";
import "./reading_room.css";
import { Room } from "./room";
import { SeriesStrip } from "./series_strip";
import { Toolbar } from "./toolbar";

/** Whether a key is meant for the control that has the focus. */
const typing = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement && target.matches("input, select, textarea, [contenteditable]");

/** The page of one study. */
export function ReadingRoom({ studyUid }: { studyUid: string }) {
  const room = useMemo(() => new Room(studyUid), [studyUid]);
  const rawShown = useSignal(false);
  useEffect(() => {
    void room.open();
    void refreshJobs();
    return onJobEnd(() => void room.takeIn());
  }, [room]);
  useEffect(() => {
    const onKey = (event: KeyboardEvent): void => {
      if (event.key === "Escape") room.helpShown.value = false;
      if (typing(event.target) || event.ctrlKey || event.metaKey || event.altKey) return;
      if (pressed(room, event.key)) event.preventDefault();
    };
    // Before the controls: number fields keep their keys to themselves, and Escape is for the help from there too.
    addEventListener("keydown", onKey, true);
    return () => removeEventListener("keydown", onKey, true);
  }, [room]);
  const study = room.study.value;
  useEffect(() => {
    if (study) document.title = `${study.patientName || study.patientId || "Study"} – Pellucid`;
  }, [study]);
  if (room.error.value) {
    return (
      <div class="room-error">
        <Message kind="error">
          <span>
            {room.error.value} <a href="/">Back to the studies</a>
          </span>
        </Message>
      </div>
    );
  }
  const toggleRaw = (): void => {
    rawShown.value = !rawShown.value;
    room.helpShown.value = false;
  };
  const seriesUid = room.active.value.stack.value?.seriesUid;
  return (
    <div class="room">
      <Toolbar room={room} rawShown={rawShown.value} onRaw={toggleRaw} />
      <SeriesStrip room={room} />
      <main class={`viewports viewports-${room.layout.value}`}>
        {!study && <ProgressBar fraction={undefined} label="Loading the study" />}
        {study &&
          room.cells.value.map((cell) => (
            <Viewport
              key={cell.id}
              cell={cell}
              active={room.active.value === cell && room.cells.value.length > 1}
              patient={study.patientName || study.patientId}
              title={room.titleOf(cell.stack.value)}
              crosshair={room.layout.value === "mpr"}
              handlers={{
                setCamera: (camera) => room.setCamera(cell, camera),
                setWindow: (window) => room.setWindow(cell, window),
              }}
              onActivate={() => cell.stack.value && (room.activeId.value = cell.id)}
            />
          ))}
      </main>
      {rawShown.value && seriesUid && (
        <RawDataPanel
          key={seriesUid}
          seriesUid={seriesUid}
          onReconstructed={(newUid) => room.compareSeries(seriesUid, newUid)}
          onClose={() => (rawShown.value = false)}
        />
      )}
    </div>
  );
}
