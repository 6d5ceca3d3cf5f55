// A check of the checks: each way to break grab.lua is an edit to its real text, and must be caught by the
// check that exists for it. An edit that does not apply any more fails: then the mutant has to follow the
// script, or it tests nothing.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { shardScripts } from "../src/grab/scripts.ts";
import { createLog } from "../src/log.ts";
import { connectRedis, type Redis } from "../src/redis/client.ts";
import { type GrabCheck, grabChecks } from "./harness/grab-checks.ts";
import { grabRig } from "./harness/grab-rig.ts";
import { startRedis, stopEverything, stopLater } from "./harness/servers.ts";
import { until } from "./harness/until.ts";

type Edit = (text: string) => string;

/** Replaces a passage that must occur exactly once. */
const replace =
  (passage: string, by: string): Edit =>
  (text) => {
    const parts = text.split(passage);
    if (parts.length !== 2) throw new Error(`${parts.length - 1} times in the script: ${passage}`);
    return parts.join(by);
  };

/** Moves what stands from `start` up to `end` to the place before `target`. */
const move =
  (start: string, end: string, target: string): Edit =>
  (text) => {
    const from = text.indexOf(start);
    const passage = text.slice(from, text.indexOf(end, from));
    if (from < 0 || passage === "") throw new Error(`not in the script: ${start} … ${end}`);
    return replace(target, passage + target)(replace(passage, "")(text));
  };

const mutants: [what: string, edit: Edit, caughtBy: keyof typeof grabChecks][] = [
  [
    "counts before it has checked",
    replace(
      "  local number, slot = place_of(held[user], key)",
      '  redis.call("HINCRBY", sale, "granted", 1)\n  local number, slot = place_of(held[user], key)',
    ),
    "losers write nothing, neither into memory nor into the log",
  ],
  [
    "uses a number up before it has checked",
    (text) =>
      replace(
        "  local number, slot = place_of(held[user], key)",
        "  granted = granted + 1\n  local number, slot = place_of(held[user], key)",
      )(replace("    granted = granted + 1\n    number", "    number")(text)),
    "every unit is sold: who loses does not use one up",
  ],
  [
    "writes the ledger entry last",
    move('redis.call("XADD"', "for _, user in ipairs(changed)", "return replies\n\0"),
    "the ledger entry comes first: when it cannot be written nothing else has changed",
  ],
  [
    "does not look at the winners",
    replace("place_of(held[user], key)", "nil, 1"),
    "a user who comes again gets the same number, also when all is sold",
  ],
  [
    "forgets who has won earlier in the same call",
    replace("    held[user] = held[user] and with_grant(held[user], slot, grant) or grant\n", ""),
    "a user who appears twice in one call wins once",
  ],
  [
    "asks whether nothing is left, instead of whether something is",
    replace("not (granted - returned < total)", "granted - returned == total"),
    "nothing is sold while more is granted than a lowered total allows",
  ],
  [
    "does not look at the gate",
    replace('if at_gate[1] ~= epoch or at_gate[2] ~= "open" then', "if false then"),
    "nothing is sold through a gate that is not open for the caller's epoch",
  ],
  [
    "does not compare the epoch",
    replace("at_gate[1] ~= epoch or ", ""),
    "nothing is sold through a gate that is not open for the caller's epoch",
  ],
  [
    "does not see that a sale is over",
    replace("now_ms >= closes", "now_ms <= closes"),
    "losers write nothing, neither into memory nor into the log",
  ],
  [
    "sells before the opening",
    replace("now_ms < opens", "false"),
    "losers write nothing, neither into memory nor into the log",
  ],
  [
    "believes every counter",
    replace(
      "value and value % 1 == 0 and value >= 0 and value < 2 ^ 53 and value or nil",
      "value or 0",
    ),
    "a counter that is not a whole number sells nothing",
  ],
  [
    "sells on after Redis has lost grants",
    replace("if recorded > granted or returned > granted then", "if returned > granted then"),
    "a sale without grants that MySQL has gives no number away again",
  ],
  [
    "writes one entry per winner",
    replace('"users", table.concat(entries, ","),', '"users", table.remove(entries, 1),'),
    "all winners of a call share one entry with consecutive numbers",
  ],
  [
    "does not tell readers that MySQL is behind",
    replace('redis.call("SADD", unrecorded, sale_id)\n', ""),
    "a won grab is numbered, counted, kept and put into the ledger",
  ],
];

let redis: Redis;
let nextSale = 1;

beforeAll(async () => {
  const { url } = await startRedis();
  redis = connectRedis(url, "grabs", createLog("silent"));
  stopLater(() => Promise.resolve(redis.disconnect()));
  await until("the connection", () => redis.status === "ready");
});
afterAll(stopEverything);

const real = `${shardScripts("mutant").grab.text}\0`;
const withoutMark = (text: string): string => text.replace("\0", "");

const load = (text: string) => grabRig(redis, withoutMark(text), nextSale++);

describe("a grab.lua that", () => {
  test.each(mutants)("%s is caught", async (_, edit, caughtBy) => {
    const text = edit(real);
    expect(text).not.toBe(real);
    const check: GrabCheck = grabChecks[caughtBy];
    await check(await load(real), redis);
    // Redis compiles it here: a mutant that is no script at all would prove nothing.
    const mutant = await load(text);
    await expect(check(mutant, redis)).rejects.toThrow();
  });
});

test("an edit that no longer applies is an error, not a mutant that survives unseen", () => {
  expect(() => replace("no such passage", "x")(real)).toThrow("0 times in the script");
  expect(() => move("no such passage", "\n", "\0")(real)).toThrow("not in the script");
});
