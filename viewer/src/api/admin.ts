import { requestJson } from "./http";
import type { Job } from "./types";

const segment = encodeURIComponent;

export interface Check {
  readonly name: string;
  readonly ok: boolean;
  readonly detail: string;
}

export interface StorageAmounts {
  readonly studies: number;
  readonly series: number;
  readonly instances: number;
  readonly acquisitions: number;
  readonly object_bytes: number;
  readonly index_bytes: number;
  readonly free_bytes: number;
  readonly total_bytes: number;
  readonly quota_bytes: number;
}

export interface Overview {
  readonly version: string;
  readonly storage: StorageAmounts;
  readonly checks: readonly Check[];
  readonly jobs_unfinished: number;
  readonly associations: number;
  readonly deliveries_waiting: number;
  readonly deliveries_failed: number;
}

export interface OwnedJob extends Job {
  readonly owner: string;
}

/** An application entity: where it is reached, from where it may call, for what, and what it sees. */
export interface Entity {
  readonly title: string;
  readonly host: string;
  readonly port: number;
  readonly tls: boolean;
  readonly addresses: readonly string[];
  readonly called_titles: readonly string[];
  readonly permissions: readonly string[];
  readonly projects: readonly string[];
  readonly description: string;
}

/** A rule: new instances that match are sent to the destination. */
export interface Route {
  readonly name: string;
  readonly destination: string;
  readonly match: Readonly<Record<string, string>>;
  readonly enabled: boolean;
}

export interface Delivery {
  readonly id: number;
  readonly kind: string;
  readonly destination: string;
  readonly subject: string;
  readonly state: "waiting" | "failed";
  readonly attempts: number;
  readonly error: string;
  readonly created: string;
  readonly next_attempt: string;
}

export interface Account {
  readonly name: string;
  readonly full_name: string;
  readonly roles: readonly string[];
  readonly projects: readonly string[];
  readonly studies: readonly string[];
  readonly active: boolean;
}

export interface Accounts {
  readonly accounts: readonly Account[];
  readonly roles: readonly string[];
  readonly projects: readonly string[];
}

const put = (url: string, value: unknown): Promise<unknown> =>
  requestJson(url, { method: "PUT", headers: { "Content-Type": "application/json" }, body: JSON.stringify(value) });
const remove = (url: string): Promise<unknown> => requestJson(url, { method: "DELETE" });
const post = (url: string): Promise<unknown> => requestJson(url, { method: "POST" });

/** What an administrator sees. */
export const admin = {
  overview: (): Promise<Overview> => requestJson("/api/admin/overview"),
  jobs: async (): Promise<readonly OwnedJob[]> => (await requestJson<{ jobs: OwnedJob[] }>("/api/admin/jobs")).jobs,
  entities: (): Promise<{ entities: readonly Entity[]; permissions: readonly string[] }> => requestJson("/api/admin/entities"),
  routes: async (): Promise<readonly Route[]> => (await requestJson<{ routes: Route[] }>("/api/admin/routes")).routes,
  deliveries: (): Promise<{ deliveries: readonly Delivery[]; total: number }> => requestJson("/api/admin/deliveries"),
  accounts: (): Promise<Accounts> => requestJson("/api/accounts"),
};

/** What an administrator changes; each rejects with a line for the reader. */
export const change = {
  cancelJob: (id: string) => remove(`/api/admin/jobs/${segment(id)}`),
  putEntity: ({ title, ...form }: Entity) => put(`/api/admin/entities/${segment(title)}`, form),
  removeEntity: (title: string) => remove(`/api/admin/entities/${segment(title)}`),
  putRoute: ({ name, ...form }: Route) => put(`/api/admin/routes/${segment(name)}`, form),
  removeRoute: (name: string) => remove(`/api/admin/routes/${segment(name)}`),
  retryDelivery: (id: number) => post(`/api/admin/deliveries/${id}/retry`),
  retryAllDeliveries: () => post("/api/admin/deliveries/retry"),
  cancelDelivery: (id: number) => remove(`/api/admin/deliveries/${id}`),
  putAccount: ({ name, ...form }: Account & { readonly password?: string }) => put(`/api/accounts/${segment(name)}`, form),
  removeAccount: (name: string) => remove(`/api/accounts/${segment(name)}`),
};
