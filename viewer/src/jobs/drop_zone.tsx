import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useRef } from "preact/hooks";
import { messageOf } from "../api";
import { Button, Message } from "../ui";
import { droppedFiles } from "./dropped_files";
import "./jobs.css";
import { sendFiles } from "./store";

/** Takes files and folders dropped anywhere on `children`, and offers buttons that choose them. */
export function DropZone({ children }: { children: ComponentChildren }) {
  const over = useSignal(false);
  const error = useSignal("");
  const files = useRef<HTMLInputElement>(null);
  const folder = useRef<HTMLInputElement>(null);

  const drop = async (event: DragEvent): Promise<void> => {
    event.preventDefault();
    over.value = false;
    error.value = "";
    try {
      const found = event.dataTransfer ? await droppedFiles(event.dataTransfer.items) : [];
      if (found.length === 0) error.value = "Nothing to send: the folder is empty.";
      await sendFiles(found);
    } catch (problem) {
      error.value = `The files cannot be read: ${messageOf(problem)}`;
    }
  };
  const chosen = (event: Event): void => {
    const input = event.currentTarget as HTMLInputElement;
    void sendFiles([...(input.files ?? [])]);
    input.value = "";
  };
  return (
    <div
      class={over.value ? "drop-area drop-over" : "drop-area"}
      onDragOver={(event) => {
        event.preventDefault();
        over.value = true;
      }}
      onDragLeave={(event) => {
        if (!(event.currentTarget as Element).contains(event.relatedTarget as Node | null)) over.value = false;
      }}
      onDrop={(event) => void drop(event)}
    >
      <section class="drop-zone" aria-label="Add data">
        <div>
          <p class="drop-title">Drop files or folders here</p>
          <p class="drop-hint">DICOM, zip archives, and raw data from the scanner (k-space, projections, list mode).</p>
        </div>
        <div class="drop-buttons">
          <Button onClick={() => files.current?.click()}>Choose files…</Button>
          <Button onClick={() => folder.current?.click()}>Choose a folder…</Button>
        </div>
        <input ref={files} type="file" multiple hidden aria-label="Files to add" onChange={chosen} data-input="files" />
        <input
          ref={(element) => {
            folder.current = element;
            element?.setAttribute("webkitdirectory", "");
          }}
          type="file"
          hidden
          aria-label="Folder to add"
          onChange={chosen}
        />
      </section>
      {error.value && <Message kind="error">{error.value}</Message>}
      {children}
    </div>
  );
}
