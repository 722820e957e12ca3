/** The body of the first part of a multipart/related answer (RFC 2387), without its headers and boundary. */
export function firstPart(body: Uint8Array, contentType: string): Uint8Array {
  if (!contentType.toLowerCase().startsWith("multipart/")) return body;
  const boundary = /boundary="?([^";]+)"?/i.exec(contentType)?.[1];
  if (!boundary) throw new RangeError("the server sent a multipart answer without a boundary");
  const start = find(body, encode("\r\n\r\n"), 0);
  if (start < 0) throw new RangeError("the server sent a multipart answer without a part");
  const end = findLast(body, encode(`\r\n--${boundary}`));
  return body.subarray(start + 4, end > start ? end : body.length);
}

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);

const matches = (body: Uint8Array, mark: Uint8Array, at: number): boolean =>
  mark.every((byte, index) => body[at + index] === byte);

function find(body: Uint8Array, mark: Uint8Array, from: number): number {
  for (let at = from; at <= body.length - mark.length; at++) if (body[at] === mark[0] && matches(body, mark, at)) return at;
  return -1;
}

function findLast(body: Uint8Array, mark: Uint8Array): number {
  for (let at = body.length - mark.length; at >= 0; at--) if (body[at] === mark[0] && matches(body, mark, at)) return at;
  return -1;
}
