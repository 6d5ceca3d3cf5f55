// Clients that hold on to what they have: thousands of connections that say nothing, and readers that do not read.

import { afterAll, beforeAll, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { startApi, type TestApi } from "../harness/api.ts";
import {
  inParallel,
  list,
  mintCustomers,
  newCoupon,
  newUser,
  type TestUser,
  tally,
  untilWell,
} from "../harness/http.ts";
import { residentBytes } from "../harness/memory.ts";
import { requestText } from "../harness/raw.ts";
import { startStores, stopEverything } from "../harness/servers.ts";
import { type Behind, behind } from "../harness/service.ts";
import { crowdAsks, untilBooksAgree } from "../harness/told.ts";
import { until } from "../harness/until.ts";

let api: TestApi;
let past: Behind;
let seller: TestUser;

beforeAll(async () => {
  const { settings } = await startStores({ RATE_LIMITS: "off" });
  api = await startApi(settings);
  past = await behind(settings);
  seller = await newUser(api.url, "seller");
});
afterAll(stopEverything);

/** Connections that have sent `text` and read nothing of what comes back. */
async function openMany(count: number, text: string): Promise<Socket[]> {
  const { hostname, port } = new URL(api.url);
  return inParallel(Array.from({ length: count }), 256, () => {
    const { promise, resolve } = Promise.withResolvers<Socket>();
    const socket = connect({ port: Number(port), host: hostname }, () => {
      socket.pause();
      socket.write(text);
      resolve(socket);
    });
    socket.on("error", () => resolve(socket));
    return promise;
  });
}

/** How many connections this machine lets a process have, less what else there is. */
const descriptors = Number(
  /Max open files\s+(\d+)/.exec(readFileSync("/proc/self/limits", "utf8"))?.[1],
);
const IDLE = Math.min(10_000, descriptors - 500);

test("thousands of connections that say nothing cost little memory, and grabs are won beside them", async () => {
  const before = residentBytes(api.pid);
  const idle = await openMany(IDLE, "");
  try {
    const coupon = await newCoupon(api.url, seller, 300);
    const told = await crowdAsks(() => [api.url], coupon, await mintCustomers(500));
    expect(tally([...told.outcomes.values()])).toEqual({ won: 300, sold_out: 200 });
    expect(told.answers).not.toContain("lost");
    await untilBooksAgree(past, coupon, 300, told);
    expect(idle.filter((socket) => !socket.destroyed).length).toBe(IDLE);
    expect(residentBytes(api.pid) - before).toBeLessThan(200_000_000);
  } finally {
    for (const socket of idle) socket.destroy();
  }
});

test("who sends request after request and reads no answer is cut off, and holds nobody else up", async () => {
  for (let count = 0; count < 20; count += 1) await newCoupon(api.url, seller, 5);
  expect(await list(api.url, seller.username, seller.token)).toHaveLength(20);
  const before = residentBytes(api.pid);
  const one = requestText(`GET /api/users/${seller.username}/coupons`, [
    `Authorization: ${seller.token}`,
  ]);
  const deaf = await openMany(200, one.repeat(500));
  try {
    const coupon = await newCoupon(api.url, seller, 300);
    const told = await crowdAsks(() => [api.url], coupon, await mintCustomers(500));
    expect(tally([...told.outcomes.values()])).toEqual({ won: 300, sold_out: 200 });
    await untilBooksAgree(past, coupon, 300, told);
    await until("all of them to be cut off", () => deaf.every((socket) => socket.destroyed));
    // All that they asked for would be nearly twice as much.
    expect(residentBytes(api.pid) - before).toBeLessThan(100_000_000);
  } finally {
    for (const socket of deaf) socket.destroy();
  }
  await untilWell(api.url);
});
