// What the service tells of its audit and its history on the operations port.

import { afterAll, beforeAll, expect, test } from "bun:test";
import { deadLetters, recoveries } from "../src/ledger/table.ts";
import { limits } from "../src/limits.ts";
import { saleKeys, shardOf } from "../src/redis/keys.ts";
import { startApi, type TestApi } from "./harness/api.ts";
import { grab, mintCustomer, newCoupon, newUser } from "./harness/http.ts";
import { releaseWith } from "./harness/release.ts";
import { startStores, stopEverything } from "./harness/servers.ts";
import { type Behind, behind } from "./harness/service.ts";
import { until } from "./harness/until.ts";

let api: TestApi;
let past: Behind;

beforeAll(async () => {
  const { settings } = await startStores();
  // A finding takes two rounds; this process makes them in quick succession.
  const folder = releaseWith(["src/limits/ledger.ts", "auditLiveMs: 10_000", "auditLiveMs: 500"]);
  api = await startApi(settings, { folder });
  past = await behind(settings);
});
afterAll(stopEverything);

interface Details {
  status: string;
  complaints: string[];
  audit: { at: string; count: number; findings: { saleId: number; kind: string }[] } | null;
  recoveries: { shard: number; reason: string; voids: number; at: string }[];
  voids: number | null;
  deadLetters: number | null;
}

const details = async () => (await (await fetch(`${api.opsUrl}/readyz`)).json()) as Details;

test("it shows a finding with its sale, the dead letters, and the last recoveries", async () => {
  const seller = await newUser(api.url, "seller");
  const [hurt, sound] = [await newCoupon(api.url, seller, 5), await newCoupon(api.url, seller, 5)];
  for (const coupon of [hurt, sound]) {
    const { token } = await mintCustomer();
    expect(await grab(api.url, coupon, token)).toBe("won");
  }
  const saleId = await past.saleIdOf(hurt.name);
  await until("the row", async () => (await past.rowsOf(saleId)).length === 1);
  expect((await details()).complaints).toEqual([]);

  await past.redis.del(saleKeys(saleId).winners);
  const shard = shardOf(saleId);
  await past.db
    .insert(deadLetters)
    .values({ shard, entryId: "5-0", saleId, grantNo: 9, reason: "too long", payload: "{}" });
  const row = { shard, epochFrom: 1, epochTo: 2, reason: "a test", salesRebuilt: 1 };
  await past.db
    .insert(recoveries)
    .values({ ...row, grantsRestored: 3, voids: 2, unheard: 0, milliseconds: 40 });

  const seen = await until("the finding, the dead letter and the recovery", async () => {
    const now = await details();
    const found = now.audit?.findings.some((finding) => finding.kind === "winner_missing");
    // Each is looked up at its own times.
    return found && now.deadLetters && now.voids ? now : undefined;
  });
  expect(seen.status).toBe("degraded");
  expect(new Set(seen.audit?.findings.map((finding) => finding.saleId))).toEqual(new Set([saleId]));
  expect(seen.complaints.filter((text) => text.startsWith(`sale ${saleId}: `)).length).toBe(
    seen.audit?.count ?? 0,
  );
  expect(seen.complaints).toContain("dead letters: 1");
  expect(seen).toMatchObject({ voids: 2, deadLetters: 1 });
  expect(seen.recoveries[0]).toMatchObject({ shard, reason: "a test", voids: 2 });
  expect(seen.recoveries).toHaveLength(limits.recoveriesTold);

  const { token } = await mintCustomer();
  await until("a paused sale", async () => (await grab(api.url, hurt, token)) !== "won");
  expect((await past.redis.hget(saleKeys(saleId).sale, "state")) ?? "").toBe("paused");
  expect(await grab(api.url, sound, token)).toBe("won");
  const metrics = await (await fetch(`${api.opsUrl}/metrics`)).text();
  expect(metrics).toMatch(/^doorbuster_audit_findings [1-9]/m);
  expect(metrics).toMatch(/^doorbuster_ledger_dead_letters 1$/m);
  expect(metrics).toMatch(/^doorbuster_ledger_void_numbers 2$/m);
});
