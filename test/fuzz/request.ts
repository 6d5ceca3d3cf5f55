// One request of the fuzzer, as it is made, sent and shown.

import type { Operation } from "./document.ts";

/** Whoever asks, in a role. */
export interface Asker {
  readonly name: string;
  readonly role: string;
  readonly token: string;
}

/** The name of whoever has a session that the run itself may have ended. */
export const THROWAWAY = "anybody";

/** A piece of JSON that no value stands for, such as 1e400. */
export class Raw {
  constructor(readonly text: string) {}
}

/** What is wrong with a request. */
export interface Break {
  /** "the field is missing" */
  readonly what: string;
  /** The field of the body, RFC 6901, where it is one. */
  readonly pointer?: string;
  /** The query parameter or header, where it is one. */
  readonly parameter?: string;
  /** The request is wrong by the document, so it must be refused with one of these. */
  readonly refusedWith?: readonly number[];
  /** The answer must be that of the request that it repeats. */
  readonly repeats?: { readonly status: number; readonly text: string };
}

/** A request before it is text: what breaks change. */
export interface Draft {
  readonly operation: Operation;
  readonly asker: Asker;
  method: string;
  /** Values of the path's parameters, encoded. */
  params: Record<string, string>;
  query: [name: string, value: string][];
  headers: Record<string, string>;
  /** Undefined: the request has no body. */
  body: unknown;
  /** Sent instead of `body`. */
  bytes?: string | Uint8Array;
}

export interface FuzzRequest {
  readonly operation: Operation;
  readonly asker: Asker;
  readonly method: string;
  /** From the slash on. */
  readonly target: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array | undefined;
  /** What the body is, where it is JSON that may be right. */
  readonly value: unknown;
  readonly broken: Break | undefined;
}

export interface FuzzAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

/** JSON with the pieces that are no values. */
export function write(value: unknown): string {
  if (value instanceof Raw) return value.text;
  if (Array.isArray(value)) return `[${value.map(write).join(",")}]`;
  if (typeof value === "object" && value !== null) {
    const members = Object.entries(value).map(
      ([name, own]) => `${JSON.stringify(name)}:${write(own)}`,
    );
    return `{${members.join(",")}}`;
  }
  return JSON.stringify(value);
}

export function requestOf(draft: Draft, broken: Break | undefined): FuzzRequest {
  const { operation, asker, method, params, query, headers, body, bytes } = draft;
  const path = operation.path.replaceAll(/\{(\w+)\}/g, (_, name: string) => params[name] ?? "");
  const search = query.map((pair) => pair.map(encodeURIComponent).join("=")).join("&");
  const target = search === "" ? path : `${path}?${search}`;
  const text = bytes ?? (body === undefined ? undefined : write(body));
  return { operation, asker, method, target, headers, body: text, value: body, broken };
}

/** Rejects when the connection breaks. The body of a stream of events is not waited for. */
export async function send(url: string, request: FuzzRequest): Promise<FuzzAnswer> {
  const { method, target, headers, body } = request;
  const response = await fetch(url + target, {
    ...{ method, headers, redirect: "manual", ...(body === undefined ? {} : { body }) },
  });
  const endless = response.headers.get("content-type")?.startsWith("text/event-stream") ?? false;
  if (endless) await response.body?.cancel();
  const text = endless ? "" : await response.text();
  return { status: response.status, headers: response.headers, text };
}

const SHOWN_CHARS_MAX = 3_000;
const quoted = (text: string): string => `'${text.replaceAll("'", String.raw`'\''`)}'`;

function shownBody(body: string | Uint8Array): string {
  if (typeof body === "string" && body.length > SHOWN_CHARS_MAX)
    return `--data-binary ${quoted(body.slice(0, SHOWN_CHARS_MAX))} # … ${body.length} characters`;
  if (typeof body === "string") return `--data-binary ${quoted(body)}`;
  const bytes = [...body].map((byte) => `\\x${byte.toString(16).padStart(2, "0")}`).join("");
  return `--data-binary @<(printf ${quoted(bytes)})`;
}

/** The request as a line for a shell. */
export function curlOf(url: string, { method, target, headers, body }: FuzzRequest): string {
  const lines = Object.entries(headers).map(([name, value]) => `-H ${quoted(`${name}: ${value}`)}`);
  const data = body === undefined ? [] : [shownBody(body)];
  return ["curl -i --path-as-is -X", method, quoted(url + target), ...lines, ...data].join(" ");
}
