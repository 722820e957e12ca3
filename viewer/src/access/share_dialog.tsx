import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { makeShare, messageOf, type Study } from "../api";
import { Button, Message } from "../ui";
import { Field, Secret, Submit } from "./form";
import { may, session } from "./session";
import "./access.css";

/** Opens the dialog that gives a study to others; nothing where the user may not. */
export function ShareButton({ study }: { study: Study }) {
  const open = useSignal(false);
  const button = useRef<HTMLSpanElement>(null);
  if (session.value?.caller.kind !== "account" || !may("share")) return null;
  const title = study.patientName || study.patientId || "study";
  return (
    <span class="above-row" ref={button}>
      <Button small label={`Share ${title}`} onClick={() => (open.value = true)}>
        Share
      </Button>
      {open.value && (
        <ShareDialog
          study={study}
          title={title}
          onClose={() => {
            open.value = false;
            button.current?.querySelector("button")?.focus();
          }}
        />
      )}
    </span>
  );
}

function ShareDialog({ study, title, onClose }: { study: Study; title: string; onClose: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const days = useSignal("7");
  const uses = useSignal("0");
  const passphrase = useSignal("");
  const url = useSignal("");
  const problem = useSignal("");
  // A modal dialog of the browser: it keeps the focus, and Escape closes it.
  useEffect(() => dialog.current?.showModal(), []);
  const submit = async (): Promise<void> => {
    problem.value = "";
    try {
      const wanted = { studies: [study.uid], days: Number(days.value), passphrase: passphrase.value, maximum_uses: Number(uses.value) };
      url.value = (await makeShare(wanted)).url;
    } catch (error) {
      problem.value = messageOf(error);
    }
  };
  return (
    <dialog ref={dialog} class="card share-dialog" aria-label={`Share ${title}`} onClose={onClose}>
      <form onSubmit={(event) => (event.preventDefault(), void submit())}>
        <h2>Share {title}</h2>
        <p class="soft">Whoever has the link sees this study, and nothing else, until it ends or you revoke it.</p>
        {problem.value && <Message kind="error">{problem.value}</Message>}
        {url.value ? (
          <Secret label="The link: it is shown this once" text={url.value} />
        ) : (
          <>
            <Field label="Days" name="days" type="number" value={days} minimum={1} maximum={90} required />
            <Field label="Times it can be opened" name="uses" type="number" value={uses} minimum={0} help="0: any number" required />
            <Field label="Passphrase" name="passphrase" value={passphrase} help="Optional; 8 characters or more. Tell it by another way than the link." />
            <Submit>Make a link</Submit>
          </>
        )}
        <Button onClick={() => dialog.current?.close()}>Close</Button>
      </form>
    </dialog>
  );
}
