// A process whose gate is closed while another one leads the recovery.

import { afterAll, expect, test } from "bun:test";
import { eq, sql } from "drizzle-orm";
import { openConnection, openPool } from "../src/db/client.ts";
import { lockName } from "../src/db/locks.ts";
import { recoveries, shards } from "../src/ledger/table.ts";
import { Gatekeeper } from "../src/recovery/gatekeeper.ts";
import { WitnessStand } from "../src/recovery/witness.ts";
import { ledgerContext } from "./harness/ledger.ts";
import { startStores, stopEverything, stopLater } from "./harness/servers.ts";
import { databaseCounter } from "./harness/service.ts";
import { until } from "./harness/until.ts";

afterAll(stopEverything);

test("it looks at the shard's row and asks for nothing more, until that leader is gone", async () => {
  const { servers } = await startStores();
  const { db, close } = openPool(servers.databaseUrl, 1);
  stopLater(close);
  const leader = await openConnection(servers.databaseUrl);
  await leader.db.execute(sql`SELECT GET_LOCK(${lockName("recover:3")}, 0)`);
  const context = await ledgerContext(servers, "waiting");
  await db
    .update(shards)
    .set({ leaseOwner: "a leader", leaseUntil: sql`NOW(3) + INTERVAL 1 HOUR` })
    .where(eq(shards.shard, 3));
  const keeper = new Gatekeeper(context, [], new WitnessStand(context));
  keeper.open(3, "test");
  const looks = async (count: number) => {
    const before = await databaseCounter(db, "Com_select");
    await until(
      "some looks",
      async () => (await databaseCounter(db, "Com_select")) > before + count,
    );
  };
  await looks(1);
  const connections = await databaseCounter(db, "Connections");
  await looks(5);
  expect(await databaseCounter(db, "Connections")).toBe(connections);
  await leader.close();
  await until("its own recovery", () => db.$count(recoveries, eq(recoveries.shard, 3)));
});
