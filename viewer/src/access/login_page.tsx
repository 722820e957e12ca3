import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { logIn, messageOf } from "../api";
import { Message, NotForDiagnosis } from "../ui";
import { session } from "./session";
import { Field, Submit } from "./form";
import "./access.css";

/** Asks who one is, in the place of the page that was asked for. */
export function LoginPage() {
  const name = useSignal("");
  const password = useSignal("");
  const problem = useSignal(new URLSearchParams(location.search).get("problem") ?? "");
  const busy = useSignal(false);
  useEffect(() => {
    document.title = "Log in – Pellucid";
  }, []);
  const submit = async (): Promise<void> => {
    busy.value = true;
    problem.value = "";
    try {
      session.value = await logIn(name.value, password.value);
      if (location.pathname === "/login") history.replaceState(null, "", "/");
    } catch (error) {
      problem.value = messageOf(error);
      password.value = "";
      document.querySelector<HTMLInputElement>("input[name=password]")?.focus();
    } finally {
      busy.value = false;
    }
  };
  return (
    <main class="front-page">
      <h1>Pellucid</h1>
      <form
        class="card"
        aria-label="Log in"
        onSubmit={(event) => {
          event.preventDefault();
          void submit();
        }}
      >
        <h2>Log in</h2>
        {problem.value && (
          <Message kind="error">
            <span>{problem.value}</span>
          </Message>
        )}
        <Field label="Name" name="name" value={name} autocomplete="username" required focus />
        <Field label="Password" name="password" type="password" value={password} autocomplete="current-password" required />
        <Submit busy={busy.value}>Log in</Submit>
        {session.value?.provider && (
          <a class="button" href="/api/login/oidc">
            {session.value.provider}
          </a>
        )}
      </form>
      <NotForDiagnosis />
    </main>
  );
}
