import { requestJson } from "./http";

const segment = encodeURIComponent;

/** Who uses the viewer; `local` where there are no accounts, `nobody` before a login. */
export interface Caller {
  readonly name: string;
  readonly kind: "local" | "account" | "ae" | "link" | "nobody";
  readonly permissions: readonly string[];
  readonly studies: readonly string[];
  readonly is_local_account: boolean;
}

export interface Session {
  readonly login_required: boolean;
  readonly caller: Caller;
  readonly provider: string | null;
}

/** A token for a program; times are Unix seconds. */
export interface Token {
  readonly id: string;
  readonly description: string;
  readonly permissions: readonly string[];
  readonly created: number;
  readonly used: number;
  readonly expires: number;
}

export interface ShareLink {
  readonly id: string;
  readonly studies: readonly string[];
  readonly description: string;
  readonly has_passphrase: boolean;
  readonly maximum_uses: number;
  readonly uses: number;
  readonly revoked: boolean;
  readonly created: number;
  readonly expires: number;
}

export interface NewShare {
  readonly studies: readonly string[];
  readonly days: number;
  readonly passphrase: string;
  readonly maximum_uses: number;
}

export interface AuditRecord {
  readonly sequence: number;
  readonly time: string;
  readonly event: string;
  readonly action: string;
  readonly outcome: number;
  readonly caller: string;
  readonly kind: string;
  readonly address: string;
  readonly studies: Readonly<Record<string, string>>;
  readonly detail: Readonly<Record<string, string>>;
}

export interface AuditSearch {
  readonly event: string;
  readonly who: string;
  readonly subject: string;
  readonly since: string;
  readonly until: string;
  readonly failures: boolean;
}

const sending = (method: string, content?: object): RequestInit => ({
  method,
  headers: { "Content-Type": "application/json" },
  ...(content && { body: JSON.stringify(content) }),
});

export const findSession = (): Promise<Session> => requestJson("/api/session");

export const logIn = (name: string, password: string): Promise<Session> => requestJson("/api/session", sending("POST", { name, password }));

export const logOut = (): Promise<unknown> => requestJson("/api/session", sending("DELETE"));

export const logOutEverywhere = (): Promise<unknown> => requestJson("/api/sessions", sending("DELETE"));

export const changePassword = (current: string, password: string): Promise<Session> =>
  requestJson("/api/session/password", sending("PUT", { current, password }));

export const listTokens = async (): Promise<readonly Token[]> => (await requestJson<{ tokens: Token[] }>("/api/tokens")).tokens;

/** Makes a token; the answer holds it in clear, this once. */
export const makeToken = (description: string, days: number): Promise<{ token: Token; secret: string }> =>
  requestJson("/api/tokens", sending("POST", { description, days }));

export const removeToken = (id: string): Promise<unknown> => requestJson(`/api/tokens/${segment(id)}`, sending("DELETE"));

export const listShares = async (): Promise<readonly ShareLink[]> => (await requestJson<{ shares: ShareLink[] }>("/api/shares")).shares;

/** Makes a link; the answer holds its address, this once. */
export const makeShare = (wanted: NewShare): Promise<{ share: ShareLink; url: string }> => requestJson("/api/shares", sending("POST", wanted));

export const revokeShare = (id: string): Promise<unknown> => requestJson(`/api/shares/${segment(id)}`, sending("DELETE"));

export const openShare = (token: string, passphrase: string): Promise<{ studies: readonly string[] }> =>
  requestJson("/api/shares/open", sending("POST", { token, passphrase }));

/** Records of the audit trail, the newest first, those before a number where one is given. */
export function searchAudit(search: AuditSearch, before: number): Promise<{ records: AuditRecord[]; more: boolean }> {
  const given = Object.entries({ ...search, before }).filter(([, value]) => value);
  return requestJson(`/api/audit?${new URLSearchParams(given.map(([name, value]) => [name, String(value)]))}`);
}
