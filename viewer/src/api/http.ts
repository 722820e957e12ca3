/** An answer of the server that is not what was asked for; its message is one line meant for the reader. */
export class ServerError extends Error {
  constructor(
    message: string,
    readonly status: number,
  ) {
    super(message);
  }
}

/** What the server says went wrong, in one line. */
function explain(status: number, body: string): string {
  try {
    const { detail } = JSON.parse(body) as { detail?: unknown };
    if (typeof detail === "string" && detail) return detail;
    if (Array.isArray(detail)) return detail.map((item: { msg?: string }) => item.msg ?? "").join("; ");
  } catch {
    // Not JSON: the status has to do.
  }
  return status >= 500 ? `The server failed (status ${status}); its log says why.` : `The server refused (status ${status}).`;
}

/** What answers 401 to those who try to log in. */
const OPEN = /^\/api\/(session|shares\/open)/;

/** `fetch` that rejects with a `ServerError` unless the answer is a success. */
export async function request(url: string, options: RequestInit = {}): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(url, options);
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new ServerError("The server does not answer. Is Pellucid still running?", 0);
  }
  // A session that ended: the page begins again, with a login.
  if (response.status === 401 && !OPEN.test(url)) location.reload();
  if (!response.ok) throw new ServerError(explain(response.status, await response.text()), response.status);
  return response;
}

/** A JSON answer; an empty one (204 No Content) is `undefined`. */
export async function requestJson<T>(url: string, options: RequestInit = {}): Promise<T> {
  const response = await request(url, options);
  const body = await response.text();
  return (body ? JSON.parse(body) : undefined) as T;
}

/** Sends a form with progress (0 … 1), which `fetch` cannot report. */
export function sendForm<T>(url: string, form: FormData, onProgress: (fraction: number) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    const sender = new XMLHttpRequest();
    sender.open("POST", url);
    sender.upload.onprogress = (event) => event.lengthComputable && onProgress(event.loaded / event.total);
    sender.onload = () =>
      sender.status < 300
        ? resolve(JSON.parse(sender.responseText) as T)
        : reject(new ServerError(explain(sender.status, sender.responseText), sender.status));
    sender.onerror = () => reject(new ServerError("The connection broke while sending. Is Pellucid still running?", 0));
    sender.send(form);
  });
}

/** Whether an error means that no server answered, or one in front of it that does not reach it. */
export const isSilent = (error: unknown): boolean => error instanceof ServerError && [0, 502, 503, 504].includes(error.status);

/** The message of anything that was thrown. */
export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
