// Breaks a request around its fields: the body as a whole, who asks, the path, the query, the headers.

import { BROKEN_JSON, NO_CURSORS, NO_IDS, NUMBERS, TEXTS } from "./gremlins.ts";
import { collectionOf, type Pool } from "./pool.ts";
import type { Random } from "./random.ts";
import { type Asker, type Break, type Draft, write } from "./request.ts";
import { faultsOf, typesOf } from "./validate.ts";

export interface Surroundings {
  readonly random: Random;
  readonly pool: Pool;
  readonly askers: readonly Asker[];
  /** Tokens that were good once. */
  readonly expired: readonly string[];
}

type Breaker = (draft: Draft, around: Surroundings) => Break | undefined;

const TOO_LARGE_CHARS = 64 * 1024 + 1;

const CHANGES = new Set(["POST", "PUT", "PATCH", "DELETE"]);

const uninvited: Breaker = (draft, { random }) => {
  const { method, body } = draft.operation;
  if (body !== undefined || !CHANGES.has(method)) return undefined;
  const name = random.word(8);
  draft.headers["Content-Type"] = "application/json";
  draft.body = { [name]: random.pick([1, null, "x", {}]) };
  return { what: "a body where there is none", pointer: `/${name}`, refusedWith: [422] };
};

const unknownQuery: Breaker = (draft, { random }) => {
  const name = random.word(8);
  draft.query.push([name, random.word(3)]);
  return { what: "a query that nobody knows", parameter: name, refusedWith: [422] };
};

const otherContentType: Breaker = (draft, { random }) => {
  if (draft.body === undefined) return undefined;
  const types = ["text/plain", "application/x-www-form-urlencoded", "application/jsonx", "json"];
  types.push("application/json; charset=utf-7", "multipart/form-data", "application/xml", "*/*");
  draft.headers["Content-Type"] = random.pick(types);
  return { what: "another content type", refusedWith: [415] };
};

const encoded: Breaker = (draft, { random }) => {
  if (draft.body === undefined) return undefined;
  draft.headers["Content-Encoding"] = random.pick(["gzip", "br", "deflate", "gzip, identity"]);
  return { what: "a Content-Encoding", refusedWith: [415] };
};

const brokenJson: Breaker = (draft, { random }) => {
  if (draft.body === undefined) return undefined;
  const text = write(draft.body);
  const cut = text.slice(0, random.int(1, text.length - 1));
  draft.bytes = random.pick([cut, cut, ...BROKEN_JSON]);
  return { what: "no JSON", refusedWith: [400] };
};

const brokenUtf8: Breaker = (draft, { random }) => {
  if (draft.body === undefined) return undefined;
  const bytes = random.pick([[0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf5, 0x80, 0x80, 0x80]]);
  const text = new TextEncoder().encode(write(draft.body));
  draft.bytes = Buffer.concat([text.subarray(0, -1), Buffer.from(bytes), text.subarray(-1)]);
  return { what: "no UTF-8", refusedWith: [400] };
};

const noObject: Breaker = (draft, { random }) => {
  if (draft.body === undefined) return undefined;
  draft.bytes = random.pick(["null", "[]", '"x"', "1", "true", "", " ", "[{}]"]);
  return { what: "no object", refusedWith: [400, 415, 422] };
};

const tooLarge: Breaker = (draft) => {
  if (draft.body === undefined) return undefined;
  draft.bytes = write(draft.body).padEnd(TOO_LARGE_CHARS, " ");
  return { what: "a body too large", refusedWith: [413] };
};

const noToken: Breaker = (draft, { random }) => {
  if (!draft.operation.signedIn) return undefined;
  delete draft.headers.Authorization;
  const { token } = draft.asker;
  const headers = ["", "Bearer", "Bearer ", "Basic eDp5", token, `Basic ${token}`, "Bearer a.b.c"];
  const chosen = random.pick([...headers, `Bearer ${token}x`, "Bearer dbk_nothing", "Bearer null"]);
  if (chosen !== "") draft.headers.Authorization = chosen;
  return { what: "no token", refusedWith: [401] };
};

const expiredToken: Breaker = (draft, { random, expired }) => {
  if (!draft.operation.signedIn || expired.length === 0) return undefined;
  draft.headers.Authorization = `Bearer ${random.pick(expired)}`;
  return { what: "an expired token", refusedWith: [401] };
};

const otherAsker: Breaker = (draft, { random, askers }) => {
  // A log-out would end the session of somebody whom the run needs.
  if (draft.operation.path.includes("/auth/")) return undefined;
  const others = askers.filter(({ role }) => role !== draft.asker.role);
  if (!draft.operation.signedIn || others.length === 0) return undefined;
  const other = random.pick(others);
  draft.headers.Authorization = `Bearer ${other.token}`;
  return { what: `asked by ${other.name}` };
};

const otherMethod: Breaker = (draft, { random }) => {
  const all = ["GET", "POST", "PUT", "PATCH", "DELETE"];
  draft.method = random.pick(all.filter((method) => !draft.operation.methods.includes(method)));
  if (draft.method === "GET") {
    draft.body = undefined;
    delete draft.headers["Content-Type"];
  }
  return { what: "a method that the path does not have", refusedWith: [405] };
};

const noId: Breaker = (draft, { random }) => {
  const ids = draft.operation.parameters.filter((one) => one.in === "path");
  if (ids.length === 0) return undefined;
  const { name, schema } = random.pick(ids);
  const isNumber = (typesOf(schema) ?? []).includes("integer");
  draft.params[name] = random.pick(NO_IDS);
  return { what: "no id", ...(isNumber ? { refusedWith: [404] } : {}) };
};

const foreignId: Breaker = (draft, { random, pool }) => {
  const { operation, asker } = draft;
  const [one] = operation.parameters.filter(({ in: where }) => where === "path");
  if (one === undefined) return undefined;
  const kind = one.name === "id" ? collectionOf(operation.path) : one.name;
  const id = pool.foreign(kind, random, asker.name);
  if (id === undefined) return undefined;
  draft.params[one.name] = encodeURIComponent(String(id));
  return { what: "something of somebody else" };
};

const otherQuery: Breaker = (draft, { random }) => {
  const all = draft.operation.parameters.filter((one) => one.in === "query");
  if (all.length === 0) return undefined;
  const { name, schema } = random.pick(all);
  const texts = [...TEXTS.filter((text) => text.isWellFormed()), "101", "1.5", "x".repeat(300)];
  const text = random.pick([...texts, ...NUMBERS.map((number) => number.text)]);
  draft.query = [...draft.query.filter(([other]) => other !== name), [name, text]];
  const isNumber = (typesOf(schema) ?? []).includes("integer");
  const value = isNumber && /^-?\d+$/.test(text) ? Number(text) : text;
  const isWrong = faultsOf(schema, value, false).length > 0;
  return { what: "another query", parameter: name, ...(isWrong ? { refusedWith: [422] } : {}) };
};

const noCursor: Breaker = (draft, { random }) => {
  if (!draft.operation.parameters.some(({ name }) => name === "cursor")) return undefined;
  draft.query = [["cursor", random.pick(NO_CURSORS)]];
  return { what: "no cursor", parameter: "cursor", refusedWith: [422] };
};

const repeatedQuery: Breaker = (draft, { random }) => {
  const [first] = draft.query;
  if (first === undefined) return undefined;
  draft.query.push(random.pick([first, [first[0], "2"], [`${first[0]}[]`, "1"], ["extra", "1"]]));
  return { what: "a query twice, or one more" };
};

const badKey: Breaker = (draft, { random }) => {
  if (!draft.operation.keepsAnswers) return undefined;
  draft.headers["Idempotency-Key"] = random.pick(["a b", "x".repeat(256), "\u00e9", "a\tb"]);
  return { what: "no key", parameter: "Idempotency-Key", refusedWith: [422] };
};

/** Each of them changes a draft, or gives undefined where it does not apply. */
export const requestBreakers: readonly Breaker[] = [
  ...[
    uninvited,
    unknownQuery,
    otherContentType,
    encoded,
    brokenJson,
    brokenJson,
    brokenUtf8,
    noObject,
    tooLarge,
  ],
  ...[noToken, expiredToken, otherAsker, otherAsker, otherMethod, noId, foreignId, foreignId],
  ...[otherQuery, otherQuery, noCursor, repeatedQuery, badKey],
];
