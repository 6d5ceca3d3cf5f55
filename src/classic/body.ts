// Request bodies as the originals read them: JSON whatever the Content-Type says, keys in any case, unknown
// keys ignored, null the same as a missing key. What the originals do not have: a bound on the size, and
// text that is text (no invalid UTF-8, no half characters).

import { z } from "zod";
import { readText } from "../body.ts";
import { parseJson } from "../json.ts";

/** Missing counts as empty, as in the originals. */
export const text = z.string().default("");

/** A whole number that was written as one; missing counts as 0, as in the originals. */
export const integer = z.number().int().default(0);

export type Parsed<Value> =
  | { ok: true; value: Value }
  | { ok: false; reason: "too_large" | "encoded" | "malformed" };

const MALFORMED = { ok: false, reason: "malformed" } as const;

/** Keys in lower case without those that are null. A later key replaces an earlier one that means the same. */
function fieldsOf(value: object): Record<string, unknown> {
  const fields: Record<string, unknown> = Object.create(null);
  for (const [key, field] of Object.entries(value)) {
    if (field !== null) fields[key.toLowerCase()] = field;
  }
  return fields;
}

function parseObject(json: string): object | undefined {
  try {
    const value = parseJson(json);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? value : undefined;
  } catch {
    // No JSON, or nested deeper than the parser goes.
    return undefined;
  }
}

/** Reads a request's body; `schema` has the keys in lower case. Never rejects. */
export async function readBody<Value>(
  request: Request,
  schema: z.ZodType<Value>,
): Promise<Parsed<Value>> {
  const body = await readText(request);
  if (!body.ok) return body;
  const object = parseObject(body.text);
  if (object === undefined) return MALFORMED;
  const parsed = schema.safeParse(fieldsOf(object));
  return parsed.success ? { ok: true, value: parsed.data } : MALFORMED;
}
