// The answers of the classic API. Most are the same every time: their text and headers are made once, and
// a request only wraps them, which costs a third of a microsecond.

import type { TokenRefusal } from "../auth/token.ts";
import { limits } from "../limits.ts";

/** Makes a new response each time; a response can be sent once. */
export type Answer = () => Response;

type HeaderFields = Readonly<Record<string, string>>;

const SAFE: HeaderFields = { "X-Content-Type-Options": "nosniff" };
const JSON_TYPE: HeaderFields = { ...SAFE, "Content-Type": "application/json" };
const UNCACHED: HeaderFields = { "Cache-Control": "no-store" };
const WHO: HeaderFields = { "WWW-Authenticate": "Bearer" };
const SOON: HeaderFields = { "Retry-After": "1" };

/** What every answer of one status carries besides its own headers. */
const headersOf = (status: number, own: HeaderFields = {}): HeaderFields => ({
  ...JSON_TYPE,
  ...(status >= 400 ? UNCACHED : {}),
  ...(status === 401 ? WHO : {}),
  ...(status === 503 ? SOON : {}),
  ...own,
});

/** One answer with a JSON body, made for one request. */
export const json = (status: number, body: object, own?: HeaderFields): Response =>
  new Response(JSON.stringify(body), { status, headers: headersOf(status, own) });

const OK = { status: 200, headers: new Headers(headersOf(200)) };

/** 200 with a body that is JSON text already. */
export const jsonText = (body: string): Response => new Response(body, OK);

/** A refusal with a text, made for one request. */
export const refuse = (status: number, errMsg: string, own?: HeaderFields): Response =>
  json(status, { errMsg }, own);

/** An answer that never changes. */
export function fixed(status: number, body: object, own?: HeaderFields): Answer {
  const text = JSON.stringify(body);
  const init = { status, headers: new Headers(headersOf(status, own)) };
  return () => new Response(text, init);
}

/** A refusal that never changes. */
export const refusal = (status: number, errMsg: string, own?: HeaderFields): Answer =>
  fixed(status, { errMsg }, own);

/** 204: nothing, and for a grab the reason in a header that the originals do not have. */
export function nothing(grabResult?: string): Answer {
  const fields = grabResult === undefined ? SAFE : { ...SAFE, "Grab-Result": grabResult };
  const init = { status: 204, headers: new Headers(fields) };
  return () => new Response(null, init);
}

/** A short plain text, for what is not part of the API proper. */
export function plain(status: number, text: string, own: HeaderFields = {}): Response {
  const headers = { ...SAFE, ...UNCACHED, "Content-Type": "text/plain; charset=utf-8", ...own };
  return new Response(text, { status, headers });
}

/** 401 for each reason not to accept a token, in the texts of the originals where they have one. */
export const unauthorized: Readonly<Record<TokenRefusal, Answer>> = {
  missing: refusal(401, "Not Authorized."),
  malformed: refusal(401, "That's not even a token"),
  signature: refusal(401, "Couldn't handle this token:"),
  claims: refusal(401, "Couldn't handle this token:"),
  expired: refusal(401, "Authorization has expired."),
  early: refusal(401, "Token not active yet"),
  revoked: refusal(401, "Authorization has been revoked."),
};

/** 503 for everything that should be tried again in a moment. */
export const busy = refusal(503, "The service is busy. Try again in a moment.");

/** What is wrong with a body before anybody looks at what it says. */
export const unreadable = {
  too_large: refusal(413, `The body is larger than ${limits.httpBodyBytesMax} bytes.`, {
    // What is left of it is not worth reading.
    Connection: "close",
  }),
  encoded: refusal(415, "Send the body without Content-Encoding."),
} as const;
