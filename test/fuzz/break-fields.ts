// Breaks one field of a body. Whether that makes the body wrong is left to the validator: a boundary that was not
// crossed, or a gremlin in a text that may have any characters, is no fault, and only must not do harm.

import { NUMBERS, OTHER_TYPES, TEXTS } from "./gremlins.ts";
import { type Place, placesIn, pointerOf, withAt } from "./places.ts";
import type { Random } from "./random.ts";
import { type Break, type Draft, Raw, write } from "./request.ts";
import { faultsOf, typeOf, typesOf } from "./validate.ts";

const BODY_BYTES_MAX = 64 * 1024;
const DEEP = 10_000;
const DEEP_PAIRS = [
  ["[", "]"],
  ['{"a":', "}"],
] as const;
/** JSON.stringify writes what is half a character as an escape, and everything else of these as itself. */
const HALF_CHARACTER = /\\u[dD][89a-fA-F]/;
const isTooDeep = (text: string): boolean =>
  DEEP_PAIRS.some(([open]) => text.includes(open.repeat(DEEP)));

interface Change {
  readonly what: string;
  readonly value: unknown;
  /** Below the place. */
  readonly name?: string;
}

type Breaker = (place: Place, random: Random) => Change | undefined;

const drop: Breaker = ({ value }) =>
  value === undefined ? undefined : { what: "the field is missing", value: undefined };

const otherType: Breaker = ({ schema }, random) => {
  const allowed = typesOf(schema) ?? [];
  const others = OTHER_TYPES.filter((value) => !allowed.includes(typeOf(value)));
  return { what: "another type", value: random.pick(others) };
};

const beyond: Breaker = ({ schema, value }, random) => {
  const { minimum, maximum, exclusiveMinimum, minLength, maxLength, minItems, maxItems } = schema;
  const numbers = [minimum, maximum, exclusiveMinimum].filter((one) => one !== undefined);
  const lengths = [minLength, maxLength].filter((one) => one !== undefined);
  const counts = [minItems, maxItems].filter((one) => one !== undefined);
  const step = random.pick([-1, 0, 1]);
  const choices: unknown[] = numbers.map((number) => number + step);
  if (lengths.length > 0) choices.push("x".repeat(Math.max(0, random.pick(lengths) + step)));
  if (lengths.length > 0) choices.push("👍".repeat(Math.max(0, random.pick(lengths) + step)));
  const item = Array.isArray(value) && value.length > 0 ? value[0] : "x";
  if (counts.length > 0)
    choices.push(Array.from({ length: Math.max(0, random.pick(counts) + step) }, () => item));
  return choices.length === 0 ? undefined : { what: "a boundary", value: random.pick(choices) };
};

const extra: Breaker = ({ value }, random) => {
  if (typeOf(value) !== "object") return undefined;
  const names = ["extra", "__proto__", "constructor", "id", "role", "", "a/b~c", "ID", "\u0000"];
  const member = random.pick<unknown>([1, null, {}, "admin", { prototype: { x: 1 } }]);
  return { what: "a field too many", name: random.pick(names), value: member };
};

const wrongEnum: Breaker = ({ schema }, random) => {
  const one = schema.enum?.[0];
  if (typeof one !== "string") return undefined;
  const values = [one.toUpperCase(), ` ${one}`, `${one}s`, "", "none", one.slice(0, -1)];
  return { what: "another word", value: random.pick(values) };
};

const twice: Breaker = ({ value }, random) => {
  if (typeOf(value) !== "object") return undefined;
  const members = Object.entries(value as object);
  if (members.length === 0) return undefined;
  const [name, own] = random.pick(members);
  const other = random.pick([own, null, 1, "x", {}]);
  const text = write(value);
  const again = `${JSON.stringify(name)}:${write(other)}`;
  const first = random.chance(0.5);
  const both = first ? `{${again},${text.slice(1)}` : `${text.slice(0, -1)},${again}}`;
  return { what: `"${name}" is there twice`, value: new Raw(both) };
};

const deep: Breaker = (_, random) => {
  const [open, close] = random.pick(DEEP_PAIRS);
  const depth = random.pick([100, 1_000, DEEP]);
  return { what: "deeply nested", value: new Raw(`${open.repeat(depth)}1${close.repeat(depth)}`) };
};

const BREAKERS: readonly Breaker[] = [
  ...[drop, drop, otherType, otherType, beyond, beyond, beyond, extra, wrongEnum, twice, deep],
  () => ({ what: "null", value: null }),
  (_, random) => ({ what: "a gremlin", value: random.pick(TEXTS) }),
  ({ value }, random) =>
    typeof value === "string"
      ? { what: "a gremlin inside", value: value + random.pick(TEXTS) }
      : undefined,
  (_, random) => ({ what: "a strange number", value: random.pick(NUMBERS) }),
  (_, random) => ({ what: "a huge text", value: "é".repeat(random.pick([300, 5_000, 40_000])) }),
];

/** What the document says of a body: the statuses that it must be refused with, undefined for a right one. */
function refusalOf(draft: Draft): readonly number[] | undefined {
  const { body } = draft.operation;
  const text = write(draft.body);
  if (Buffer.byteLength(text) > BODY_BYTES_MAX) return [413];
  // A parser may take it for half a character, or give up on its depth, before anybody sees a field.
  if (HALF_CHARACTER.test(text)) return [400];
  if (body === undefined || faultsOf(body, JSON.parse(text), false).length === 0) return undefined;
  return isTooDeep(text) ? [400, 422] : [422];
}

/** Changes `draft` in one field; undefined where this one cannot be changed so. */
export function breakField(draft: Draft, random: Random): Break | undefined {
  const { body } = draft.operation;
  if (body === undefined || refusalOf(draft) !== undefined) return undefined;
  const place = random.pick(placesIn(body, draft.body));
  const change = random.pick(BREAKERS)(place, random);
  if (change === undefined || (place.steps.length === 0 && change.value === undefined))
    return undefined;
  const steps = change.name === undefined ? place.steps : [...place.steps, change.name];
  // Items of a list are changed; taking one away leaves a shorter list, which is another break.
  if (change.value === undefined && typeof steps.at(-1) === "number") return undefined;
  draft.body = withAt(draft.body, steps, change.value);
  const refusedWith = refusalOf(draft);
  const pointer = pointerOf(steps);
  return { what: change.what, pointer, ...(refusedWith ? { refusedWith } : {}) };
}
