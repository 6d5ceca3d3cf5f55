// JSON as every API here takes it. Stricter than the runtime in two things: a number must be written as a whole one,
// because 1e3, 1.0 and 1.0000000000000001 would pass for integers; and text must be whole characters.

const INTEGER = /^-?\d+$/;

/**
 * What no text is without that has either. To look at each value costs ten times what the parsing does, and most
 * bodies have nothing to be looked at for.
 */
const STRANGE = /\d[.eE]|-0|\\u[dD][89a-fA-F]/;

type Reviver = (key: string, value: unknown, context: { source?: string }) => unknown;
// TypeScript does not know yet that a reviver is told how a number was written.
const parseWith = JSON.parse as (text: string, reviver: Reviver) => unknown;

const strict: Reviver = (key, value, { source = "" }) => {
  if (!key.isWellFormed() || (typeof value === "string" && !value.isWellFormed()))
    throw new SyntaxError("half a character");
  return typeof value !== "number" || (INTEGER.test(source) && source !== "-0")
    ? value
    : Number.NaN;
};

/**
 * The value that `text` stands for. A number that is not written as an integer becomes NaN, which no field takes.
 * Throws for what is no JSON, and for half a character anywhere.
 */
export const parseJson = (text: string): unknown =>
  STRANGE.test(text) ? parseWith(text, strict) : JSON.parse(text);
