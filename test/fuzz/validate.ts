// A validator for the part of JSON Schema that the document uses. A keyword it does not know is an error: what is
// documented is checked, or the run says that it cannot be.

import { countChars } from "../../src/text.ts";
import type { Schema } from "./document.ts";

export interface Fault {
  /** RFC 6901. */
  readonly pointer: string;
  readonly why: string;
}

const KNOWN = new Set([
  ...["type", "enum", "const", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"],
  ...["multipleOf", "minLength", "maxLength", "pattern", "format", "items", "minItems", "maxItems"],
  ...["uniqueItems", "properties", "required", "additionalProperties", "propertyNames"],
  ...["anyOf", "oneOf", "allOf"],
  // What says nothing about validity.
  ...["default", "description", "example", "examples", "title", "deprecated", "discriminator"],
]);

const FORMATS: Readonly<Record<string, RegExp>> = {
  "date-time": /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)$/i,
  uuid: /^[\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12}$/i,
  uri: /^[a-z][a-z\d+.-]*:/i,
};

export const pointerStep = (step: string | number): string =>
  `/${String(step).replaceAll("~", "~0").replaceAll("/", "~1")}`;

export function typeOf(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  if (typeof value === "number") return Number.isInteger(value) ? "integer" : "number";
  return typeof value;
}

const isObject = (value: unknown): value is Record<string, unknown> => typeOf(value) === "object";

const fits = (type: string, wanted: string): boolean =>
  type === wanted || (type === "integer" && wanted === "number");

const same = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);

/** The types that a schema allows; undefined where it does not say. */
export const typesOf = ({ type }: Schema): string[] | undefined =>
  type === undefined ? undefined : [type].flat();

const patterns = new Map<string, RegExp>();
/** A pattern as JSON Schema means it. Throws when it is none. */
export function patternOf(source: string): RegExp {
  const known = patterns.get(source) ?? new RegExp(source, "u");
  patterns.set(source, known);
  return known;
}

function* numberFaults(schema: Schema, value: number): Generator<string> {
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf } = schema;
  if (!Number.isFinite(value)) yield "is not finite";
  if (minimum !== undefined && value < minimum) yield `is below ${minimum}`;
  if (maximum !== undefined && value > maximum) yield `is above ${maximum}`;
  if (exclusiveMinimum !== undefined && value <= exclusiveMinimum)
    yield `is not above ${exclusiveMinimum}`;
  if (exclusiveMaximum !== undefined && value >= exclusiveMaximum)
    yield `is not below ${exclusiveMaximum}`;
  if (multipleOf !== undefined && value % multipleOf !== 0) yield `is no multiple of ${multipleOf}`;
}

function* stringFaults(schema: Schema, value: string): Generator<string> {
  const { minLength = 0, maxLength = Number.POSITIVE_INFINITY, pattern, format } = schema;
  const length = countChars(value);
  if (length < minLength) yield `has fewer than ${minLength} characters`;
  if (length > maxLength) yield `has more than ${maxLength} characters`;
  if (pattern !== undefined && !patternOf(pattern).test(value)) yield `does not match ${pattern}`;
  if (format === undefined) return;
  const form = FORMATS[format];
  if (form === undefined) throw new Error(`the format ${format} is not known to the fuzzer`);
  if (!form.test(value)) yield `is no ${format}`;
  if (format === "date-time" && Number.isNaN(Date.parse(value))) yield "is no time";
}

function* arrayFaults(schema: Schema, value: unknown[], strict: boolean): Generator<Fault> {
  const { minItems = 0, maxItems = Number.POSITIVE_INFINITY, uniqueItems, items } = schema;
  if (value.length < minItems) yield { pointer: "", why: `has fewer than ${minItems} items` };
  if (value.length > maxItems) yield { pointer: "", why: `has more than ${maxItems} items` };
  const distinct = new Set(value.map((item) => JSON.stringify(item))).size;
  if (uniqueItems && distinct < value.length) yield { pointer: "", why: "has an item twice" };
  if (items === undefined) return;
  for (const [index, item] of value.entries())
    yield* within(pointerStep(index), faultsOf(items, item, strict));
}

/** All members that a schema and the parts of its `allOf` name, and whether others may be there. */
function membersOf(schema: Schema): { named: Set<string>; open: boolean; says: boolean } {
  const { properties = {}, additionalProperties, allOf = [] } = schema;
  const parts = allOf.map(membersOf);
  const others = [...(schema.anyOf ?? []), ...(schema.oneOf ?? [])].map(membersOf);
  return {
    named: new Set([...Object.keys(properties), ...parts.flatMap(({ named }) => [...named])]),
    open: (additionalProperties ?? false) !== false || parts.some(({ open }) => open),
    says:
      schema.properties !== undefined ||
      additionalProperties !== undefined ||
      parts.some(({ says }) => says) ||
      others.some(({ says }) => says),
  };
}

function* objectFaults(
  schema: Schema,
  value: Record<string, unknown>,
  strict: boolean,
): Generator<Fault> {
  const { properties = {}, required = [], additionalProperties, propertyNames } = schema;
  for (const name of required) {
    if (!Object.hasOwn(value, name)) yield { pointer: pointerStep(name), why: "is missing" };
  }
  const { named, open, says } = membersOf(schema);
  // Alternatives judge the members that they name themselves.
  const hasAlternatives = schema.anyOf !== undefined || schema.oneOf !== undefined;
  const closed = additionalProperties === false || (strict && says && !open && !hasAlternatives);
  for (const [name, member] of Object.entries(value)) {
    const pointer = pointerStep(name);
    const own = Object.hasOwn(properties, name) ? properties[name] : undefined;
    if (own !== undefined) yield* within(pointer, faultsOf(own, member, strict));
    else if (!named.has(name) && closed) yield { pointer, why: "is not documented" };
    else if (typeof additionalProperties === "object")
      yield* within(pointer, faultsOf(additionalProperties, member, strict));
    if (propertyNames) yield* within(pointer, faultsOf(propertyNames, name, strict));
  }
}

function* within(pointer: string, faults: Iterable<Fault>): Generator<Fault> {
  for (const fault of faults) yield { ...fault, pointer: pointer + fault.pointer };
}

/** The faults of the alternative that comes nearest; none when one fits. Unions of zod take the first that fits. */
function alternativeFaults(alternatives: Schema[], value: unknown, strict: boolean): Fault[] {
  const all = alternatives.map((schema) => faultsOf(schema, value, strict));
  return all.toSorted((a, b) => a.length - b.length)[0] ?? [];
}

/**
 * What is wrong with a value; [] when nothing is. `strict` refuses members that are not documented also where the
 * schema does not close its object, as answers are held to.
 */
export function faultsOf(schema: Schema, value: unknown, strict: boolean): Fault[] {
  const unknown = Object.keys(schema).find((keyword) => !KNOWN.has(keyword));
  if (unknown !== undefined) throw new Error(`the keyword ${unknown} is not known to the fuzzer`);
  const here = (why: string): Fault => ({ pointer: "", why });
  const types = typesOf(schema);
  const type = typeOf(value);
  if (types && !types.some((wanted) => fits(type, wanted)))
    return [here(`is ${type} instead of ${types.join(" or ")}`)];
  const faults: Fault[] = [];
  if (schema.enum && !schema.enum.some((one) => same(one, value)))
    faults.push(here(`is none of ${JSON.stringify(schema.enum)}`));
  if ("const" in schema && !same(schema.const, value))
    faults.push(here(`is not ${JSON.stringify(schema.const)}`));
  if (typeof value === "number") faults.push(...[...numberFaults(schema, value)].map(here));
  if (typeof value === "string") faults.push(...[...stringFaults(schema, value)].map(here));
  if (Array.isArray(value)) faults.push(...arrayFaults(schema, value, strict));
  if (isObject(value)) faults.push(...objectFaults(schema, value, strict));
  for (const alternatives of [schema.anyOf, schema.oneOf])
    if (alternatives) faults.push(...alternativeFaults(alternatives, value, strict));
  // The members of one part are no strangers to another: `membersOf` looks at all of them.
  for (const part of schema.allOf ?? []) faults.push(...faultsOf(part, value, false));
  return faults;
}
