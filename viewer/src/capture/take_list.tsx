import { Button, Message, ProgressBar } from "../ui";
import { isStoring, removeTake, takes, type Take } from "./store";

const STATES: Readonly<Record<Take["state"], string>> = {
  new: "not stored",
  sending: "sending",
  converting: "converting",
  stored: "stored",
  failed: "not stored",
};

/** What was made on this page, the newest first. */
export function TakeList() {
  if (takes.value.length === 0) return <Message kind="note">Pictures and recordings appear here before they are stored.</Message>;
  return (
    <ul class="takes" aria-label="Pictures and recordings">
      {takes.value.map((take) => (
        <li class="take" key={take.id} data-state={take.state}>
          {take.isPicture ? <img src={take.url} alt={take.title} /> : <video src={take.url} controls muted aria-label={take.title} />}
          <div class="take-text">
            <strong>{take.title}</strong>
            <span class="soft" role="status">
              {STATES[take.state]}
            </span>
            {(take.state === "sending" || take.state === "converting") && (
              <ProgressBar fraction={take.fraction || undefined} label={`${take.title}: ${STATES[take.state]}`} />
            )}
            {take.error && <Message kind="error">{take.error}</Message>}
          </div>
          <Button small quiet disabled={isStoring.value} onClick={() => removeTake(take)} label={`Discard ${take.title}`}>
            ✕
          </Button>
        </li>
      ))}
    </ul>
  );
}
