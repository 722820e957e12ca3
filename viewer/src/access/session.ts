import { signal } from "@preact/signals";
import { findSession, type Session } from "../api";

/** Who uses the viewer, once the server said it. */
export const session = signal<Session | undefined>(undefined);

export async function loadSession(): Promise<void> {
  session.value = await findSession();
}

/** Whether the user may do something; the server decides, this only spares a button that would be refused. */
export const may = (permission: string): boolean => session.value?.caller.permissions.includes(permission) ?? false;

export const mustLogIn = (): boolean => session.value?.caller.kind === "nobody" && session.value.login_required;
