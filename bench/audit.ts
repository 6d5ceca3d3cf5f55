// After every load on grabs: what clients were told, what Redis granted, and what MySQL has must be one number.

import { sql } from "drizzle-orm";
import { saleKeys } from "../src/redis/keys.ts";
import type { Audit } from "./figures.ts";
import type { System } from "./system.ts";

const ASK_EVERY_MS = 5;
const PERSIST_MS_MAX = 120_000;

async function numbersInRedis({ redis }: System, saleIds: readonly number[]) {
  let granted = 0;
  let recorded = 0;
  for (const id of saleIds) {
    const fields = await redis.hmget(saleKeys(id).sale, "granted", "recorded");
    granted += Number(fields[0]);
    recorded += Number(fields[1]);
  }
  return { granted, recorded };
}

async function oneRow(
  system: System,
  query: ReturnType<typeof sql>,
): Promise<Record<string, number>> {
  const [rows] = await system.database.db.execute(query);
  const [row] = rows as unknown as Record<string, number | string>[];
  return Object.fromEntries(
    Object.entries(row ?? {}).map(([name, value]) => [name, Number(value)]),
  );
}

/**
 * Waits until MySQL's counters of these sales have what Redis granted, which they do in the transaction that
 * writes the last row. Gives the time it was seen, in milliseconds since the epoch. Throws after two minutes.
 */
export async function untilPersisted(system: System, saleIds: readonly number[]): Promise<number> {
  const { granted } = await numbersInRedis(system, saleIds);
  const ids = sql.raw(saleIds.join(","));
  const deadline = performance.now() + PERSIST_MS_MAX;
  for (;;) {
    system.bench.stop.throwIfAborted();
    const { total = 0 } = await oneRow(
      system,
      sql`SELECT SUM(granted) AS total FROM sales WHERE id IN (${ids})`,
    );
    if (total >= granted) return Date.now();
    if (performance.now() > deadline)
      throw new Error(`MySQL has ${total} of ${granted} grants after two minutes`);
    await Bun.sleep(ASK_EVERY_MS);
  }
}

/** Waits until Redis knows that all is recorded; the ledger is trimmed in the same step. */
export async function untilTrimmed(system: System, saleIds: readonly number[]): Promise<void> {
  const deadline = performance.now() + PERSIST_MS_MAX;
  for (;;) {
    const { granted, recorded } = await numbersInRedis(system, saleIds);
    if (recorded >= granted) return;
    if (performance.now() > deadline)
      throw new Error(`Redis has ${recorded} of ${granted} as recorded`);
    await Bun.sleep(ASK_EVERY_MS);
  }
}

/** Compares the three; `confirmed` is how many 201s these sales' clients got, `loaded` how many winners they began with. */
export async function auditSales(
  system: System,
  saleIds: readonly number[],
  confirmed: number,
  loaded = 0,
): Promise<Audit> {
  const { granted, recorded } = await numbersInRedis(system, saleIds);
  const ids = sql.raw(saleIds.join(","));
  const stored = await oneRow(
    system,
    sql`SELECT COUNT(*) AS row_count, COUNT(DISTINCT sale_id, grant_no) AS numbers,
      COUNT(DISTINCT sale_id, user_id) AS users FROM grants WHERE sale_id IN (${ids})`,
  );
  const { letters = 0 } = await oneRow(system, sql`SELECT COUNT(*) AS letters FROM dead_letters`);
  const { row_count: rows = 0, numbers = 0, users = 0 } = stored;
  return {
    confirmed,
    ...{ grantedInRedis: granted, recordedInRedis: recorded },
    ...{ rowsInMysql: rows, distinctNumbers: numbers, distinctUsers: users, deadLetters: letters },
    agrees:
      letters === 0 &&
      [granted, recorded, rows, numbers, users].every((count) => count === confirmed + loaded),
  };
}
