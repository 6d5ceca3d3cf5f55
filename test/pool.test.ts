// What the pool of connections to MySQL promises.

import { afterAll, expect, test } from "bun:test";
import { eq } from "drizzle-orm";
import { transact } from "../src/coupons/transact.ts";
import { openPool } from "../src/db/client.ts";
import { shards } from "../src/ledger/table.ts";
import { freshDatabase, stopEverything, stopLater } from "./harness/servers.ts";
import { until } from "./harness/until.ts";

const { url } = await freshDatabase();
afterAll(stopEverything);

const change = (incarnation: string) => ({
  set: { incarnation },
  where: eq(shards.shard, 3),
});

test("who stands still in a transaction loses its locks, and changes nothing when it goes on", async () => {
  const [silent, other] = [openPool(url, 2, 1), openPool(url, 2)];
  stopLater(() => Promise.all([silent.close(), other.close()]).then(() => undefined));
  const { promise: heldUp, resolve: goOn } = Promise.withResolvers<void>();
  const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
  const standing = silent.db
    .transaction(async (tx) => {
      const { set, where } = change("of the one that stands still");
      await tx.update(shards).set(set).where(where);
      begin();
      await heldUp;
      await tx.select().from(shards);
    })
    .then(
      () => "committed",
      () => "lost",
    );
  await begun;
  const { set, where } = change("of the other");
  await until("the row", async () => {
    await other.db.update(shards).set(set).where(where);
    return true;
  });
  goOn();
  expect(await standing).toBe("lost");
  const [row] = await other.db.select().from(shards).where(where);
  expect(row?.incarnation).toBe(set.incarnation);
});

test("a connection that has been silent is replaced without anybody noticing", async () => {
  const pool = openPool(url, 2, 1);
  stopLater(pool.close);
  const idOf = async () => {
    const [rows] = await pool.db.execute("SELECT CONNECTION_ID() AS id");
    return Number((rows as unknown as { id: number }[])[0]?.id);
  };
  const first = await idOf();
  const other = openPool(url, 1);
  stopLater(other.close);
  await until("the server to have ended it", async () => {
    const [rows] = await other.db.execute("SHOW PROCESSLIST");
    return !(rows as unknown as { Id: number }[]).some(({ Id }) => Number(Id) === first);
  });
  expect(await idOf()).not.toBe(first);
});

test("a lock that is not to be had is told by the server in time, and tried for again", async () => {
  const pool = openPool(url, 3);
  stopLater(pool.close);
  const { set, where } = change("of the one that waits");
  const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
  const { promise: heldUp, resolve: goOn } = Promise.withResolvers<void>();
  const holding = pool.db.transaction(async (tx) => {
    await tx.update(shards).set({ incarnation: "held" }).where(where);
    begin();
    await heldUp;
  });
  await begun;
  let attempts = 0;
  const waiting = transact(pool.db, async (tx) => {
    attempts += 1;
    if (attempts === 2) goOn();
    await tx.update(shards).set(set).where(where);
    return { result: "changed", keep: true };
  });
  expect(await waiting).toBe("changed");
  expect(attempts).toBe(2);
  await holding;
});
