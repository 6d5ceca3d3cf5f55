// Requests that the document allows.

import type { Operation, Parameter } from "./document.ts";
import { type Maker, valueFor } from "./generate.ts";
import { collectionOf, type Pool } from "./pool.ts";
import type { Random } from "./random.ts";
import type { Asker, Draft } from "./request.ts";

/** A body that was taken before says more than one that only has the right form. */
const TAKEN_BEFORE = 0.6;
const VARIED = 0.1;

function parameterValue(operation: Operation, parameter: Parameter, maker: Maker): string {
  const { random, pool, owner } = maker;
  const { name, schema } = parameter;
  // A key that another request has had would get that one's answer.
  if (operation.keepsAnswers && parameter.in === "header") return random.word(20);
  const kind =
    name === "cursor"
      ? `cursor of ${collectionOf(operation.path)}`
      : name === "id" && parameter.in === "path"
        ? collectionOf(operation.path)
        : undefined;
  const known = kind === undefined ? undefined : pool.pick(kind, random, owner);
  const value = String(known ?? valueFor(schema, maker, name));
  // Nothing, or a dot, would be another path.
  return parameter.in === "path" && /^\.*$/.test(value) ? random.word(20) : value;
}

/** The body of `operation` for a request of this maker's. */
function bodyOf({ name, path, body }: Operation, maker: Maker): unknown {
  if (body === undefined) return undefined;
  const { random, pool } = maker;
  const taken = random.chance(TAKEN_BEFORE) ? pool.takenBody(name, random) : undefined;
  if (typeof taken !== "object" || taken === null) return valueFor(body, maker);
  // What names a thing is chosen anew: the body of somebody else names what is theirs.
  const named = Object.entries(taken).map(([field, value]) => {
    const own = body.properties?.[field];
    const isNew = field === "name" || (field === "username" && path.endsWith("/register"));
    if (isNew) return [field, random.word(16)];
    const isName = own !== undefined && /Id$|^codes?$|Token$/.test(field);
    return [field, isName || random.chance(VARIED) ? valueFor(own ?? {}, maker, field) : value];
  });
  return Object.fromEntries(named);
}

/** A request as the document has it, by somebody. */
export function draftOf(
  operation: Operation,
  asker: Asker,
  { random, pool }: { random: Random; pool: Pool },
): Draft {
  const maker: Maker = { random, pool, owner: asker.name };
  const draft: Draft = {
    ...{ operation, asker, method: operation.method, params: {}, query: [], headers: {} },
    body: bodyOf(operation, maker),
  };
  if (asker.token !== "") draft.headers.Authorization = `Bearer ${asker.token}`;
  if (draft.body !== undefined) draft.headers["Content-Type"] = "application/json";
  for (const parameter of operation.parameters) {
    // Names of things that change rarely fit what a thing is by now.
    const chance = parameter.name.toLowerCase() === "if-match" ? 0.1 : 0.5;
    if (!parameter.required && !random.chance(chance)) continue;
    const value = parameterValue(operation, parameter, maker);
    if (parameter.in === "path") draft.params[parameter.name] = encodeURIComponent(value);
    else if (parameter.in === "query") draft.query.push([parameter.name, value]);
    else draft.headers[parameter.name] = keyLike(value, random);
  }
  return draft;
}

/** A header must be what the client can send at all. */
const keyLike = (value: string, random: Random): string =>
  /^[\x21-\x7e]+$/.test(value) ? value : random.word(12);
