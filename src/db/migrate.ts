import { sql } from "drizzle-orm";
import { migrate as runMigrations } from "drizzle-orm/mysql2/migrator";
import { shards } from "../ledger/table.ts";
import { limits } from "../limits.ts";
import { allShards } from "../redis/keys.ts";
import { openConnection } from "./client.ts";
import { lockName } from "./locks.ts";

const migrationsFolder = new URL("../../drizzle", import.meta.url).pathname;

/**
 * Brings the schema up to date and makes the shard rows. Safe when several processes start at once: a lock
 * on the server lets one work, the others wait and find it done. Throws when the lock is not to be had
 * within `migrationLockSeconds`, or with MySQL's error when a migration fails.
 */
export async function migrate(databaseUrl: string): Promise<void> {
  const connection = await openConnection(databaseUrl, {
    queryTimeoutMs: limits.migrationStatementMs,
    lockWaitSeconds: limits.migrationLockSeconds,
  });
  try {
    const [rows] = await connection.db.execute(
      sql`SELECT GET_LOCK(${lockName("migrate")}, ${limits.migrationLockSeconds}) AS taken`,
    );
    if ((rows as unknown as { taken: number | null }[])[0]?.taken !== 1) {
      throw new Error("another process has been migrating the database for too long");
    }
    await runMigrations(connection.db, { migrationsFolder });
    await connection.db
      .insert(shards)
      .values(allShards.map((shard) => ({ shard })))
      .onDuplicateKeyUpdate({ set: { shard: sql`shard` } });
  } finally {
    // Closing the connection gives the lock back.
    await connection.close();
  }
}
