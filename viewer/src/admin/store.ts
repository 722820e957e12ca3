import { signal, type Signal } from "@preact/signals";
import { admin, messageOf, ServerError, type Accounts, type Delivery, type Entity, type OwnedJob, type Overview, type Route } from "../api";

/** Something the server has; undefined until it came. */
export interface Part<T> {
  readonly value: Signal<T | undefined>;
  readonly error: Signal<string>;
  readonly load: () => Promise<void>;
}

function part<T>(find: () => Promise<T>): Part<T> {
  const value = signal<T | undefined>(undefined);
  const error = signal("");
  return {
    value,
    error,
    load: async () => {
      try {
        value.value = await find();
        error.value = "";
      } catch (problem) {
        error.value = problem instanceof ServerError && problem.status === 403 ? "This is for administrators." : messageOf(problem);
      }
    },
  };
}

export const overview: Part<Overview> = part(admin.overview);
export const jobs: Part<readonly OwnedJob[]> = part(admin.jobs);
export const entities: Part<{ readonly entities: readonly Entity[]; readonly permissions: readonly string[] }> = part(admin.entities);
export const routes: Part<readonly Route[]> = part(admin.routes);
export const deliveries: Part<{ readonly deliveries: readonly Delivery[]; readonly total: number }> = part(admin.deliveries);
export const accounts: Part<Accounts> = part(admin.accounts);

/** What was done last, for the reader and the screen reader. */
export const done = signal("");

/** Does something, says so, and shows what changed; the error is the part's. */
export async function act(where: Part<unknown>, text: string, work: () => Promise<unknown>): Promise<boolean> {
  try {
    await work();
    done.value = text;
    await Promise.all([where.load(), overview.load()]);
    return true;
  } catch (problem) {
    where.error.value = messageOf(problem);
    return false;
  }
}
