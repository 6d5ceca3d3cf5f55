// Redis's append-only file as a power loss leaves it: without its last seconds, or torn in the middle of a write.
// What a script has done stands in it as one block, MULTI … EXEC.

import { readdirSync, readFileSync, statSync, truncateSync } from "node:fs";
import { join } from "node:path";
import type { Redis } from "../../src/redis/client.ts";

/** The last increment of the append-only file of this Redis, which must be running. */
export async function lastIncrement(redis: Redis): Promise<string> {
  const [, folder = ""] = (await redis.config("GET", "dir")) as string[];
  const files = readdirSync(join(folder, "appendonlydir"));
  const sequence = (name: string) => Number(/\.(\d+)\.incr\.aof$/.exec(name)?.[1] ?? 0);
  const last = files.toSorted((a, b) => sequence(a) - sequence(b)).at(-1) ?? "";
  return join(folder, "appendonlydir", last);
}

export const sizeOf = (file: string): number => statSync(file).size;

/** Where each whole block of a file ends, and its first byte, in bytes. */
export function blocksOf(file: string): { start: number; end: number; text: string }[] {
  const data = readFileSync(file);
  const blocks: { start: number; end: number; text: string }[] = [];
  let start = 0;
  let inMulti = false;
  for (let at = 0; at < data.length; ) {
    const { words, end } = commandAt(data, at);
    const verb = words[0]?.toUpperCase();
    if (verb === "MULTI") inMulti = true;
    if (verb === "EXEC") inMulti = false;
    if (!inMulti) {
      blocks.push({ start, end, text: data.toString("latin1", start, end) });
      start = end;
    }
    at = end;
  }
  return blocks;
}

function commandAt(data: Buffer, from: number): { words: string[]; end: number } {
  let at = from;
  const line = () => {
    const end = data.indexOf("\r\n", at);
    const text = data.toString("latin1", at, end);
    at = end + 2;
    return text;
  };
  const words: string[] = [];
  for (let count = Number(line().slice(1)); count > 0; count -= 1) {
    const length = Number(line().slice(1));
    words.push(data.toString("latin1", at, at + length));
    at += length + 2;
  }
  return { words, end: at };
}

/**
 * Cuts off what was written after the file had `bytes`: at the end of the last whole block before that, or
 * inside the next block, so that the file ends in the middle of a script's effects.
 */
export function cutTail(file: string, bytes: number, where: "between" | "inside"): void {
  const blocks = blocksOf(file);
  const kept = blocks.filter(({ end }) => end <= bytes).at(-1)?.end ?? 0;
  const next = blocks.find(({ start, text }) => start >= kept && text.includes("XADD"));
  if (!next) throw new Error("nothing to cut off");
  const inside = next.start + Math.floor((next.end - next.start) / 2);
  truncateSync(file, where === "between" ? kept : inside);
}
