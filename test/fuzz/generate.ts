// Values that a schema allows.

import type { Schema } from "./document.ts";
import { textMatching } from "./pattern.ts";
import { kindOf, type Pool } from "./pool.ts";
import type { Random } from "./random.ts";
import { faultsOf, typesOf } from "./validate.ts";

export interface Maker {
  readonly random: Random;
  readonly pool: Pool;
  /** Who asks. */
  readonly owner: string;
}

const ITEMS_MAX = 3;
const TEXT_CHARS_MAX = 24;
const DAY_MS = 86_400_000;
/** Texts in which length, width and meaning of characters differ, and all of which are well formed. */
const LETTERS = [
  ...Array.from("abc XYZ 019 äß 満减 Ωж"),
  "👩‍🚀",
  "e\u0301",
  "'",
  '"',
  "<",
  "&",
  "%",
  "\\",
  "/",
  "-",
  "_",
];

function wholeNumber(schema: Schema, random: Random): number {
  const { exclusiveMinimum, exclusiveMaximum } = schema;
  const min = schema.minimum ?? (exclusiveMinimum === undefined ? 0 : exclusiveMinimum + 1);
  const most = exclusiveMaximum === undefined ? min + 1_000_000 : exclusiveMaximum - 1;
  const max = schema.maximum ?? most;
  const near = random.int(min, Math.min(max, min + 20));
  return random.pick([min, max, near, near, near, random.int(min, max)]);
}

function time(random: Random): string {
  const at = Date.now() + random.int(-DAY_MS, 7 * DAY_MS);
  return new Date(random.chance(0.3) ? at - (at % 60_000) : at).toISOString();
}

function text(schema: Schema, random: Random): string {
  const { minLength = 0, maxLength = TEXT_CHARS_MAX, pattern, format } = schema;
  if (format === "date-time") return time(random);
  if (format === "uuid") return `00000000-0000-4000-8000-${String(random.int(1e11, 9e11))}`;
  if (format === "uri") return `https://example.test/${random.word(6)}`;
  const lengths = [
    minLength,
    maxLength,
    random.int(minLength, Math.min(maxLength, minLength + 12)),
  ];
  const length = random.pick([...lengths, lengths[2] ?? 0, lengths[2] ?? 0]);
  const made = Array.from({ length }, () => random.pick(LETTERS)).join("");
  const cut = Array.from(made).slice(0, length).join("");
  if (faultsOf(schema, cut, false).length === 0) return cut;
  return pattern === undefined
    ? random.word(Math.max(minLength, 1))
    : textMatching(pattern, random);
}

function items(schema: Schema, maker: Maker, name: string): unknown[] {
  const { minItems = 0, maxItems = ITEMS_MAX, items: item = {} } = schema;
  const length = maker.random.int(minItems, Math.max(minItems, Math.min(maxItems, ITEMS_MAX)));
  return Array.from({ length }, () => valueFor(item, maker, name));
}

function members(schema: Schema, maker: Maker): Record<string, unknown> {
  const { properties = {}, required = [] } = schema;
  const chosen = Object.entries(properties).filter(
    ([name]) => required.includes(name) || maker.random.chance(0.4),
  );
  return Object.fromEntries(chosen.map(([name, own]) => [name, valueFor(own, maker, name)]));
}

/** A value that exists, if the field names something of which one is known. */
function existing(schema: Schema, { random, pool, owner }: Maker, name: string): unknown {
  if (!random.chance(0.9)) return undefined;
  const value = pool.pick(kindOf(name), random, owner);
  return value !== undefined && faultsOf(schema, value, false).length === 0 ? value : undefined;
}

/** A value that the schema of the field `name` allows. Throws where it cannot make one. */
export function valueFor(schema: Schema, maker: Maker, name = ""): unknown {
  const { random } = maker;
  const known = existing(schema, maker, name);
  if (known !== undefined) return known;
  if ("const" in schema) return schema.const;
  if (schema.enum) return random.pick(schema.enum);
  const { allOf: parts = [], ...rest } = schema;
  if (parts.length > 0)
    return Object.assign({}, ...[rest, ...parts].map((part) => valueFor(part, maker, name)));
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices) return valueFor(random.pick(choices), maker, name);
  switch (random.pick(typesOf(schema) ?? ["object"])) {
    case "null":
      return null;
    case "boolean":
      return random.chance(0.5);
    case "integer":
    case "number":
      return wholeNumber(schema, random);
    case "string":
      return text(schema, random);
    case "array":
      return items(schema, maker, name);
    default:
      return members(schema, maker);
  }
}
