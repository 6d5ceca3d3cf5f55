// What the parts of a token say.
//
// The tokens that this service issues have one form, and JSON.parse is the dearest step of a verification: it keeps a table
// of short texts, and ids and names are new to it each time. So that form is read by a pattern, and any other by
// JSON.parse. Both give the same object; whoever judges it does not learn which it was.

import { limits } from "../limits.ts";

/** A text in which JSON has nothing to escape. */
const PLAIN = String.raw`[^"\\\x00-\x1f]*`;
const WHOLE = "0|[1-9][0-9]*";
/** As `createTokens` writes it, with anything in place of the values. */
const USUAL = new RegExp(
  `^\\{"sub":"(${PLAIN})","username":"(${PLAIN})","kind":"(${PLAIN})","use":"(${PLAIN})","iss":"(${PLAIN})",` +
    `"jti":"(${PLAIN})"(?:,"sid":"(${PLAIN})")?,"iat":(${WHOLE}),"exp":(${WHOLE})(?:,"since":(${WHOLE}))?\\}$`,
);

// Room to decode into; a new buffer for every token would cost more than the decoding.
const decoded = Buffer.allocUnsafeSlow(limits.tokenBytesMax);

/** The text of a part of a token, which is at most `tokenBytesMax` long. */
const textOf = (part: string): string =>
  decoded.toString("utf8", 0, decoded.write(part, "base64url"));

function objectIn(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}

/** A part as an object, or undefined when it is none. */
export const decodePart = (part: string): Record<string, unknown> | undefined =>
  objectIn(textOf(part));

/** The same, in less time for what `createTokens` writes. */
export function decodePayload(part: string): Record<string, unknown> | undefined {
  const text = textOf(part);
  const usual = USUAL.exec(text);
  if (usual === null) return objectIn(text);
  const [, sub, username, kind, use, iss, jti, sid, iat, exp, since] = usual;
  const payload: Record<string, unknown> = { sub, username, kind, use, iss, jti };
  payload.iat = Number(iat);
  payload.exp = Number(exp);
  if (sid !== undefined) payload.sid = sid;
  if (since !== undefined) payload.since = Number(since);
  return payload;
}
