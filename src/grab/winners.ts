// A sale's winners as Redis has them, and as grab.lua writes them.

import { limits } from "../limits.ts";
import { readAhead } from "../pages.ts";
import type { Redis } from "../redis/client.ts";
import { saleKeys } from "../redis/keys.ts";

/** A number and its holder, as one of the stores says. */
export interface Claim {
  readonly number: number;
  readonly userId: number;
  /** From 1; one user has at most as many as the sale's limit. */
  readonly slot: number;
  readonly keyHash: string | null;
}

/** What one user's value says. `readable` is false when a part of it is not as grab.lua writes it. */
interface Held {
  readonly claims: Claim[];
  readonly readable: boolean;
}

const PLAIN = /^\d{1,15}$/;
const PART = /^(\d{1,15})(?::(.+))?$/;

/** Reads "17", or by slot "17:keyhash,,19:keyhash", where an empty slot has been given back. */
function heldBy(user: string, value: string): Held {
  const userId = Number(user);
  const claims: Claim[] = [];
  let readable = PLAIN.test(user);
  for (const [index, part] of value.split(",").entries()) {
    if (part === "") continue;
    const [, number, keyHash = null] = PART.exec(part) ?? [];
    if (number === undefined) readable = false;
    else claims.push({ number: Number(number), userId, slot: index + 1, keyHash });
  }
  return { claims, readable };
}

/** One page of a scan; the scan is over when `next` is "0". */
export interface WinnersPage {
  readonly next: string;
  readonly claims: readonly Claim[];
  /** Users whose value cannot be read. */
  readonly unreadable: readonly string[];
}

/** Reads on from `cursor`, "0" at the start. A user may come twice in the course of a scan. */
export async function winnersPage(
  redis: Redis,
  saleId: number,
  cursor: string,
): Promise<WinnersPage> {
  const { winners } = saleKeys(saleId);
  const [next, pairs] = await redis.hscan(winners, cursor, "COUNT", limits.winnersPerPage);
  const claims: Claim[] = [];
  const unreadable: string[] = [];
  for (let i = 0; i < pairs.length; i += 2) {
    const [user, value] = [pairs[i] as string, pairs[i + 1] as string];
    if (PLAIN.test(user) && PLAIN.test(value)) {
      // Nearly all of a million.
      claims.push({ number: Number(value), userId: Number(user), slot: 1, keyHash: null });
      continue;
    }
    const held = heldBy(user, value);
    claims.push(...held.claims);
    if (!held.readable) unreadable.push(user);
  }
  return { next, claims, unreadable };
}

/** The whole hash, page by page; the next page is under way while one is looked at. */
export function winnersInRedis(redis: Redis, saleId: number): AsyncGenerator<WinnersPage> {
  return readAhead(
    () => winnersPage(redis, saleId, "0"),
    ({ next }) => (next === "0" ? undefined : winnersPage(redis, saleId, next)),
  );
}

/** What these users hold now. */
export async function winnersOf(
  redis: Redis,
  saleId: number,
  userIds: readonly number[],
): Promise<Map<number, Held>> {
  if (userIds.length === 0) return new Map();
  const values = await redis.hmget(saleKeys(saleId).winners, ...userIds.map(String));
  return new Map(
    userIds.flatMap((userId, index) => {
      const value = values[index];
      return value == null ? [] : [[userId, heldBy(String(userId), value)] as const];
    }),
  );
}
