import { logOut } from "../api";
import { Button } from "../ui";
import { may, session } from "./session";
import "./access.css";

const leave = async (): Promise<void> => {
  await logOut();
  location.assign("/");
};

/** Who is logged in, and where they can go; nothing where there are no accounts. */
export function AccountMenu() {
  const caller = session.value?.caller;
  if (!caller || caller.kind === "local" || caller.kind === "nobody") return null;
  return (
    <nav class="account-menu" aria-label="Account">
      {caller.kind === "account" ? <a href="/account">{caller.name}</a> : <span class="soft">Shared with a link</span>}
      {may("audit") && <a href="/audit">Audit trail</a>}
      <Button small onClick={() => void leave()}>
        Log out
      </Button>
    </nav>
  );
}
