// Bodies of /v1, read within their bounds and refused for what they are, before a schema looks at them.

import type { Context, MiddlewareHandler } from "hono";
import { readText } from "../body.ts";
import { parseJson } from "../json.ts";
import { Problem } from "../problem.ts";
import { takeNothing } from "./fields.ts";

const JSON_TYPE = /^application\/json\s*(;\s*charset="?utf-8"?\s*)?$/i;

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
    return parseJson(text);
  } catch {
    throw new Problem("malformed-json");
  }
}

/** Reads the body, so that whoever comes behind finds it: the text, and what it says where it says something. */
async function read(c: Context): Promise<string> {
  const text = await bodyOf(c);
  c.req.bodyCache.text = Promise.resolve(text) as never;
  if (text === "") return text;
  const value = parsed(text);
  // Hono would parse the text again, and take what is not taken here.
  c.req.json = () => Promise.resolve(value as never);
  return text;
}

/** Reads the body for whoever comes behind. */
export const withBody: MiddlewareHandler = async (c, next) => {
  await read(c);
  await next();
};

/** For a route that takes no fields: nothing, or an object without any. */
export const withoutFields: MiddlewareHandler = async (c, next) => {
  // It has been read already where an Idempotency-Key is taken.
  const text = c.req.bodyCache.text === undefined ? await read(c) : await c.req.text();
  if (text !== "") takeNothing(await c.req.json(), "json");
  await next();
};
