// Request bodies, read within bounds: what every API here does before it looks at what a body says.

import { limits } from "./limits.ts";

export type ReadText =
  | { ok: true; text: string }
  | { ok: false; reason: "too_large" | "encoded" | "malformed" };

const TOO_LARGE = { ok: false, reason: "too_large" } as const;
const ENCODED = { ok: false, reason: "encoded" } as const;
const MALFORMED = { ok: false, reason: "malformed" } as const;

/**
 * The whole body, or undefined as soon as it is too large; a body without a length is counted as it comes.
 * Rejects when the connection breaks.
 */
async function readBytes(request: Request): Promise<Uint8Array | undefined> {
  if (request.body === null) return new Uint8Array();
  if (request.headers.has("content-length")) {
    const bytes = await request.bytes();
    return bytes.length > limits.httpBodyBytesMax ? undefined : bytes;
  }
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of request.body) {
    length += chunk.length;
    if (length > limits.httpBodyBytesMax) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, length);
}

/** Reads a body as text; "malformed" is not UTF-8. Never rejects. */
export async function readText(request: Request): Promise<ReadText> {
  const encoding = request.headers.get("content-encoding");
  if (encoding !== null && encoding !== "" && encoding.toLowerCase() !== "identity") return ENCODED;
  if (Number(request.headers.get("content-length") ?? 0) > limits.httpBodyBytesMax)
    return TOO_LARGE;
  // A body that breaks off is no JSON, and nobody is left to be told more.
  const bytes = await readBytes(request).catch(() => new Uint8Array());
  if (bytes === undefined) return TOO_LARGE;
  try {
    const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
    return { ok: true, text: decoder.decode(bytes) };
  } catch {
    return MALFORMED;
  }
}
