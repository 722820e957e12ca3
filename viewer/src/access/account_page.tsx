import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import {
  changePassword, listShares, listTokens, logOutEverywhere, makeToken, messageOf, removeToken, revokeShare, type ShareLink, type Token,
} from "../api";
import { Button, Message } from "../ui";
import { Field, moment, Secret, Submit } from "./form";
import { may, session } from "./session";
import "./access.css";

/** One's own account: password, tokens for programs, links that were given out. */
export default function AccountPage() {
  const caller = session.value?.caller;
  useEffect(() => {
    document.title = "Account – Pellucid";
  }, []);
  return (
    <main class="page sections">
      <header class="page-head">
        <h1>{caller?.name}</h1>
        <a href="/">Studies</a>
      </header>
      {caller?.is_local_account && <Password />}
      {caller?.kind === "account" && <Tokens />}
      {may("share") && <Shares />}
      <section class="card" aria-label="Sessions">
        <h2>Sessions</h2>
        <Button onClick={() => void logOutEverywhere().then(() => location.assign("/"))}>Log out everywhere</Button>
      </section>
    </main>
  );
}

function Password() {
  const current = useSignal("");
  const next = useSignal("");
  const answer = useSignal<{ kind: "note" | "error"; text: string } | undefined>(undefined);
  const submit = async (): Promise<void> => {
    try {
      session.value = await changePassword(current.value, next.value);
      current.value = next.value = "";
      answer.value = { kind: "note", text: "The password was changed; all other sessions have ended." };
    } catch (error) {
      answer.value = { kind: "error", text: messageOf(error) };
    }
  };
  return (
    <form class="card" aria-label="Password" onSubmit={(event) => (event.preventDefault(), void submit())}>
      <h2>Password</h2>
      {answer.value && <Message kind={answer.value.kind}>{answer.value.text}</Message>}
      <Field label="Current password" name="current" type="password" value={current} autocomplete="current-password" required />
      <Field label="New password" name="new" type="password" value={next} autocomplete="new-password" help="12 characters or more" required />
      <Submit>Change the password</Submit>
    </form>
  );
}

function Tokens() {
  const tokens = useSignal<readonly Token[]>([]);
  const description = useSignal("");
  const days = useSignal("90");
  const made = useSignal("");
  const problem = useSignal("");
  const load = async (): Promise<void> => void (tokens.value = await listTokens());
  const attempt = async (work: () => Promise<void>): Promise<void> => {
    problem.value = "";
    try {
      await work();
      await load();
    } catch (error) {
      problem.value = messageOf(error);
    }
  };
  useEffect(() => void attempt(async () => {}), []);
  const make = async (): Promise<void> => {
    made.value = (await makeToken(description.value, Number(days.value))).secret;
    description.value = "";
  };
  return (
    <form class="card" aria-label="Tokens" onSubmit={(event) => (event.preventDefault(), void attempt(make))}>
      <h2>Tokens for programs</h2>
      {problem.value && <Message kind="error">{problem.value}</Message>}
      {made.value && <Secret label="The new token: it is shown this once" text={made.value} />}
      <Field label="What it is for" name="description" value={description} required />
      <Field label="Days" name="days" type="number" value={days} minimum={1} maximum={366} required />
      <Submit>Make a token</Submit>
      <ul class="entries">
        {tokens.value.map((token) => (
          <li key={token.id}>
            <span>
              {token.description}{" "}
              <span class="soft">
                {token.permissions.join(", ")}; until {moment(token.expires)}; used: {moment(token.used)}
              </span>
            </span>
            <Button small label={`Remove ${token.description}`} onClick={() => void attempt(async () => void (await removeToken(token.id)))}>
              Remove
            </Button>
          </li>
        ))}
      </ul>
    </form>
  );
}

function Shares() {
  const shares = useSignal<readonly ShareLink[]>([]);
  const problem = useSignal("");
  const load = async (): Promise<void> => {
    try {
      shares.value = await listShares();
    } catch (error) {
      problem.value = messageOf(error);
    }
  };
  useEffect(() => void load(), []);
  const state = (share: ShareLink): string =>
    share.revoked ? "revoked" : share.expires * 1000 < Date.now() ? "over" : `until ${moment(share.expires)}`;
  return (
    <section class="card" aria-label="Links">
      <h2>Links to studies</h2>
      {problem.value && <Message kind="error">{problem.value}</Message>}
      {shares.value.length === 0 && <p class="soft">There are none. A study in the list has a Share button.</p>}
      <ul class="entries">
        {shares.value.map((share) => (
          <li key={share.id}>
            <span>
              {share.description || share.studies.join(", ")}{" "}
              <span class="soft">
                {state(share)}; opened {share.uses} {share.uses === 1 ? "time" : "times"}
                {share.has_passphrase && "; with a passphrase"}
              </span>
            </span>
            {!share.revoked && (
              <Button small label={`Revoke the link of ${moment(share.created)}`} onClick={() => void revokeShare(share.id).then(load)}>
                Revoke
              </Button>
            )}
          </li>
        ))}
      </ul>
    </section>
  );
}
