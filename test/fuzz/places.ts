// The places of a body: every field that its schema names, whether it is there or not, at any depth.

import type { Schema } from "./document.ts";
import { faultsOf, pointerStep } from "./validate.ts";

export type Step = string | number;

export interface Place {
  readonly steps: readonly Step[];
  readonly schema: Schema;
  /** Undefined where it is not there. */
  readonly value: unknown;
  readonly required: boolean;
}

export const pointerOf = (steps: readonly Step[]): string => steps.map(pointerStep).join("");

/** All places below `value`, and the body itself first. */
export function placesIn(
  schema: Schema,
  value: unknown,
  steps: readonly Step[] = [],
  required = true,
): Place[] {
  const here: Place = { steps, schema, value, required };
  const alternatives = schema.anyOf ?? schema.oneOf ?? [];
  const chosen = alternatives.find((one) => faultsOf(one, value, false).length === 0);
  const parts = [schema, ...(chosen ? [chosen] : []), ...(schema.allOf ?? [])];
  return [here, ...parts.flatMap((part) => childrenOf(part, value, steps))];
}

function childrenOf(schema: Schema, value: unknown, steps: readonly Step[]): Place[] {
  if (Array.isArray(value)) {
    const { items } = schema;
    return items
      ? value.flatMap((item, index) => placesIn(items, item, [...steps, index], false))
      : [];
  }
  if (typeof value !== "object" || value === null) return [];
  const { properties = {}, required = [] } = schema;
  return Object.entries(properties).flatMap(([name, own]) => {
    const member = (value as Record<string, unknown>)[name];
    return placesIn(own, member, [...steps, name], required.includes(name));
  });
}

/** A copy of `body` with `value` at a place; undefined takes what is there away. */
export function withAt(body: unknown, steps: readonly Step[], value: unknown): unknown {
  const [step, ...rest] = steps;
  if (step === undefined) return value;
  if (Array.isArray(body)) {
    const copy = [...body];
    copy[Number(step)] = withAt(copy[Number(step)], rest, value);
    return copy;
  }
  const { [step]: old, ...others } = (body ?? {}) as Record<string, unknown>;
  const own = withAt(old, rest, value);
  // A member is defined, not assigned: "__proto__" is a name like any other.
  const entries = Object.entries(others);
  return Object.fromEntries(own === undefined ? entries : [...entries, [step, own]]);
}
