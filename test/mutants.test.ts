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
import { move, replace } from "./mutants/edits.ts";
import { grabScriptMutants } from "./mutants/grab-script.ts";

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
  test.each(grabScriptMutants)("%s is caught", async (_, edit, caughtBy) => {
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
  expect(() => replace("no such passage", "x")(real)).toThrow("0 times in the text");
  expect(() => move("no such passage", "\n", "\0")(real)).toThrow("not in the text");
});
