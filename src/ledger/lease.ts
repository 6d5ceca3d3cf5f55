// The lease of a shard: who may write it, by MySQL's clock. It is renewed with every batch and every second.

import { and, eq, isNull, lt, ne, or, sql } from "drizzle-orm";
import type { DatabaseConnection } from "../db/client.ts";
import { secondsFromNow } from "../db/columns.ts";
import { waitForRows } from "../db/locks.ts";
import { limits } from "../limits.ts";
import { shards } from "./table.ts";

/** When a lease that is taken or renewed now ends. */
export const leaseEnd = () => secondsFromNow(limits.leaseSeconds);

/** Takes a free lease for a connection; false when another process holds it. Throws when MySQL is away. */
export async function takeLease(
  { db, threadId }: DatabaseConnection,
  shard: number,
  owner: string,
): Promise<boolean> {
  // Whoever holds the row longer than this is stopped; other leases must be renewed meanwhile.
  await waitForRows(db, limits.lockHolderPatienceSeconds);
  const [result] = await db
    .update(shards)
    .set({ leaseOwner: owner, leaseUntil: leaseEnd(), connectionId: threadId })
    .where(
      and(
        eq(shards.shard, shard),
        // An empty incarnation means that a recovery is at work: its leader writes, nobody else.
        ne(shards.incarnation, ""),
        or(
          isNull(shards.leaseOwner),
          eq(shards.leaseOwner, owner),
          lt(shards.leaseUntil, sql`NOW(3)`),
        ),
      ),
    );
  return result.affectedRows === 1;
}

/** Gives the lease back and closes its connection. Never throws: a lease that is not given back runs out. */
export async function giveBackLease(
  connection: DatabaseConnection,
  shard: number,
  owner: string,
): Promise<void> {
  try {
    await connection.db
      .update(shards)
      .set({ leaseOwner: null, leaseUntil: null, connectionId: null })
      .where(
        and(
          eq(shards.shard, shard),
          eq(shards.leaseOwner, owner),
          // A recovery that this process leads has taken the lease over on a connection of its own.
          eq(shards.connectionId, connection.threadId),
        ),
      );
    await connection.close();
  } catch {
    connection.destroy();
  }
}
