import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { messageOf, type CaptureKind, type CaptureView } from "../api";
import { Button, Message, NotForDiagnosis, Select } from "../ui";
import "./capture.css";
import { ContextForm } from "./context_form";
import { openDevice, picture, record, type Device, type Recording } from "./recorder";
import { addTake, description, isStoring, kind, loadLists, missing, storeAll, storedStudy, studyUid, unstored, view, whose } from "./store";
import { TakeList } from "./take_list";

const KINDS: readonly (readonly [CaptureKind, string])[] = [
  ["sc", "Secondary capture"],
  ["us", "Ultrasound"],
  ["video", "Video (H.264)"],
];
const VIEWS: readonly (readonly [CaptureView, string])[] = [
  ["photographic", "Photographic"],
  ["endoscopic", "Endoscopic"],
  ["microscopic", "Microscopic"],
];

/** The page /capture: pictures and recordings of a camera or of the screen, into a study. */
export function CapturePage() {
  useEffect(() => {
    document.title = "Capture – Pellucid";
    const study = new URLSearchParams(location.search).get("study");
    if (study) {
      whose.value = "study";
      studyUid.value = study;
    }
    void loadLists();
  }, []);
  return (
    <div class="page">
      <header class="page-head">
        <h1>
          <a href="/">Pellucid</a> Capture
        </h1>
        <NotForDiagnosis />
      </header>
      <main class="capture">
        <Viewfinder />
        <section class="capture-side" aria-label="What is stored">
          <ContextForm disabled={isStoring.value} />
          <KindForm />
          <TakeList />
          <StoreButton />
        </section>
      </main>
    </div>
  );
}

/** The camera's or screen's picture, and the buttons that take from it. */
function Viewfinder() {
  const video = useRef<HTMLVideoElement>(null);
  const stream = useSignal<MediaStream | undefined>(undefined);
  const recording = useSignal<Recording | undefined>(undefined);
  const began = useSignal(0);
  const seconds = useSignal(0);
  const error = useSignal("");

  const close = (): void => {
    stream.value?.getTracks().forEach((track) => track.stop());
    stream.value = undefined;
  };
  useEffect(() => close, []);
  useEffect(() => {
    if (video.current) video.current.srcObject = stream.value ?? null;
  }, [stream.value]);
  useEffect(() => {
    if (!recording.value) return undefined;
    const timer = setInterval(() => (seconds.value = (performance.now() - began.value) / 1000), 250);
    return () => clearInterval(timer);
  }, [recording.value]);

  const attempt = async (work: () => Promise<void>): Promise<void> => {
    try {
      error.value = "";
      await work();
    } catch (problem) {
      error.value = messageOf(problem);
    }
  };
  const open = (device: Device) =>
    attempt(async () => {
      close();
      const opened = await openDevice(device);
      // Whoever ends sharing in the browser's own bar ends the recording too.
      opened.getVideoTracks()[0]?.addEventListener("ended", () => void stop().then(close));
      stream.value = opened;
    });
  const snapshot = () => attempt(async () => addTake(await picture(video.current!), `Picture at ${clock()}`, true));
  const start = () =>
    attempt(async () => {
      recording.value = record(stream.value!);
      began.value = performance.now();
      seconds.value = 0;
    });
  const stop = () =>
    attempt(async () => {
      const current = recording.value;
      if (!current) return;
      recording.value = undefined;
      addTake(await current.stop(), `Recording at ${clock()}`, false);
    });

  return (
    <section class="viewfinder" aria-label="Camera or screen">
      <video ref={video} autoplay playsInline muted aria-label="Live picture" data-live={stream.value ? "yes" : "no"} />
      {error.value && <Message kind="error">{error.value}</Message>}
      <div class="capture-buttons">
        <Button onClick={() => void open("camera")} disabled={recording.value !== undefined}>
          Camera
        </Button>
        <Button onClick={() => void open("screen")} disabled={recording.value !== undefined}>
          Screen
        </Button>
        <Button onClick={() => void snapshot()} disabled={!stream.value}>
          Take a picture
        </Button>
        {recording.value ? (
          <Button primary onClick={() => void stop()}>
            Stop recording
          </Button>
        ) : (
          <Button primary onClick={() => void start()} disabled={!stream.value}>
            Record
          </Button>
        )}
        <span class="capture-time" role="timer" aria-live="off">
          {recording.value ? `${seconds.value.toFixed(0)} s` : ""}
        </span>
      </div>
    </section>
  );
}

const clock = (): string => new Date().toLocaleTimeString();

function KindForm() {
  return (
    <fieldset class="capture-group" disabled={isStoring.value}>
      <legend>Stored as</legend>
      <div class="capture-choices">
        <Select label="Stored as" value={kind.value} options={KINDS} onChange={(value) => (kind.value = value)} />
        {kind.value === "video" && <Select label="View" value={view.value} options={VIEWS} onChange={(value) => (view.value = value)} />}
        <input
          class="input"
          aria-label="Series description"
          placeholder="Series description"
          maxLength={64}
          value={description.value}
          onInput={(event) => (description.value = event.currentTarget.value)}
        />
      </div>
    </fieldset>
  );
}

function StoreButton() {
  const count = unstored.value.length;
  return (
    <div class="capture-store">
      <Button primary disabled={isStoring.value || count === 0 || missing.value !== ""} onClick={() => void storeAll()}>
        {count > 1 ? `Store ${count} in the archive` : "Store in the archive"}
      </Button>
      {count > 0 && missing.value && <span class="soft">{missing.value}</span>}
      {storedStudy.value && !isStoring.value && <a href={`/study/${encodeURIComponent(storedStudy.value)}`}>Open the study</a>}
    </div>
  );
}
