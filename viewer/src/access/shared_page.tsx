import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { messageOf, openShare } from "../api";
import { Message, NotForDiagnosis } from "../ui";
import { Field, Submit } from "./form";
import "./access.css";

/** Opens a link: its secret stands after the # of the address, which no server and no other page gets to see. */
export default function SharedPage() {
  const passphrase = useSignal("");
  const problem = useSignal("");
  const open = async (): Promise<void> => {
    problem.value = "";
    try {
      const { studies } = await openShare(location.hash.slice(1), passphrase.value);
      location.replace(studies.length === 1 ? `/study/${encodeURIComponent(studies[0]!)}` : "/");
    } catch (error) {
      problem.value = messageOf(error);
    }
  };
  useEffect(() => {
    document.title = "Shared study – Pellucid";
  }, []);
  return (
    <main class="front-page">
      <h1>Pellucid</h1>
      <form class="card" aria-label="Shared study" onSubmit={(event) => (event.preventDefault(), void open())}>
        <h2>Somebody shares a study with you</h2>
        {problem.value && <Message kind="error">{problem.value}</Message>}
        <Field label="Passphrase" name="passphrase" type="password" value={passphrase} help="Leave it empty where you were given none." focus />
        <Submit>Open</Submit>
      </form>
      <NotForDiagnosis />
    </main>
  );
}
