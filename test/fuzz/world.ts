// A service of one's own to be fuzzed, with users of every role and some things to name.

import { createServiceKey } from "../../src/auth/keys.ts";
import { createTokens, type Kind } from "../../src/auth/token.ts";
import { systemClock } from "../../src/clock.ts";
import { startApi, TEST_CODE_SECRET, TEST_SECRET } from "../harness/api.ts";
import { newSale } from "../harness/sales.ts";
import { freshDatabase, startRedis } from "../harness/servers.ts";
import { behind } from "../harness/service.ts";
import { createPool } from "./pool.ts";
import { type Asker, THROWAWAY } from "./request.ts";
import type { Fuzzed } from "./run.ts";
import { tour } from "./tour.ts";
import { addUsers } from "./users.ts";

const HOUR_MS = 3_600_000;
const ROLES: readonly Kind[] = ["customer", "customer", "customer", "seller", "seller", "admin"];

const tokens = createTokens(TEST_SECRET, systemClock, () => false);
const pastTokens = createTokens(
  TEST_SECRET,
  { ...systemClock, now: () => Date.now() - 2 * HOUR_MS },
  () => false,
);

/** Starts servers, the service and what is in it; all are stopped by `stopEverything` of the harness. */
export async function startFuzzed(): Promise<Fuzzed> {
  const [redis, database] = await Promise.all([startRedis(), freshDatabase()]);
  const settings = { REDIS_URL: redis.url, DATABASE_URL: database.url };
  const [api, past] = await Promise.all([
    startApi({ ...settings, RATE_LIMITS: "off" }),
    behind(settings),
  ]);
  const users = await addUsers(past.db, ROLES);
  const people: Asker[] = await Promise.all(
    users.map(async (user) => ({
      ...{ name: `${user.kind} ${user.id}`, role: user.kind },
      token: await tokens.issue(user),
    })),
  );
  const expired = await Promise.all(users.map((user) => pastTokens.issue(user)));
  const made = await createServiceKey(past.db, "fuzz");
  if (typeof made === "string") throw new Error(`no key for a service: ${made}`);
  const askers = [...people, { name: "service", role: "service", token: made.key }];
  const pool = createPool();
  for (const { id, username, kind } of users) {
    pool.add("users", id, `${kind} ${id}`);
    pool.add("username", username, `${kind} ${id}`);
  }
  // The rest are made over the API.
  for (const [total, userLimit] of [
    [2, 1],
    [1_000, 1],
    [1_000, 50],
  ] as const)
    pool.add("sales", await newSale(past, total, { userLimit }), "seller");
  for (const order of ["order-1", "order-2", "order-3"]) pool.add("orderSn", order, THROWAWAY);
  await tour({ url: api.url, askers, pool });
  return { url: api.url, askers, expired, pool, secrets: [TEST_SECRET, TEST_CODE_SECRET] };
}
