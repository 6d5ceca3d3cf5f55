// Bodies of /v1, read within their bounds and refused for what they are, before a schema looks at them.

import { z } from "@hono/zod-openapi";
import type { Context, MiddlewareHandler } from "hono";
import { readText } from "../body.ts";
import { Problem } from "../problem.ts";
import { fieldErrors } from "./fields.ts";

const JSON_TYPE = /^application\/json\s*(;\s*charset="?utf-8"?\s*)?$/i;

/** What has no fields. */
export const NOTHING = z.strictObject({});

async function bodyOf(c: Context): Promise<string> {
  const body = await readText(c.req.raw);
  if (!body.ok) {
    switch (body.reason) {
      case "too_large":
        throw new Problem("payload-too-large", { headers: { Connection: "close" } });
      case "encoded":
        throw new Problem("unsupported-media-type");
      case "malformed":
        throw new Problem("malformed-json");
    }
  }
  if (body.text !== "" && !JSON_TYPE.test(c.req.header("content-type") ?? ""))
    throw new Problem("unsupported-media-type");
  return body.text;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Problem("malformed-json");
  }
}

/** Reads the body for whoever comes behind. */
export const withBody: MiddlewareHandler = async (c, next) => {
  c.req.bodyCache.text = Promise.resolve(await bodyOf(c)) as never;
  await next();
};

/** For a route that takes no fields: nothing, or an object without any. */
export const withoutFields: MiddlewareHandler = async (c, next) => {
  // It has been read already where an Idempotency-Key is taken.
  const text = c.req.bodyCache.text === undefined ? await bodyOf(c) : await c.req.text();
  const check = text === "" ? undefined : NOTHING.safeParse(parsed(text));
  if (check?.error) throw new Problem("validation", { errors: fieldErrors(check.error, "json") });
  await next();
};
