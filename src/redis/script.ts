// Scripts are called by EVALSHA only, and only recovery loads them. The text that is loaded carries the
// incarnation that recovery drew, so every recovery changes the SHA: a Redis that was restarted, promoted,
// or comes back from the past does not know it and answers NOSCRIPT, which means "look before you believe
// me". Loading on demand, as most clients do, would switch this fence off.

import { createHash } from "node:crypto";

/** One script as one incarnation of one shard knows it. */
export interface Script {
  readonly sha: string;
  readonly text: string;
}

/**
 * The script of one incarnation. `source` is the text of a `.lua` file; a path means that the import
 * lacked `with { type: "text" }`, which Bun does not report.
 */
export function scriptOf(source: string, incarnation: string): Script {
  const shebang = /^#!lua(?: flags=[\w,-]+)?\n/.exec(source)?.[0];
  if (shebang === undefined || !source.includes("redis.call")) {
    throw new Error("a script must be imported as text and start with #!lua");
  }
  const text = `${shebang}-- incarnation ${incarnation}\n${source.slice(shebang.length)}`;
  return { sha: createHash("sha1").update(text).digest("hex"), text };
}

/** True when this error means that the Redis behind it may have lost something. */
export function isFence(error: unknown): boolean {
  return error instanceof Error && /^(NOSCRIPT|READONLY)\b/.test(error.message);
}
