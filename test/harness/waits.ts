import { sql } from "drizzle-orm";
import type { Database } from "../../src/db/client.ts";
import { until } from "./until.ts";

/** Until so many connections wait for rows that others have locked; nobody else uses this server now. */
export const untilSomebodyWaits = (db: Database, waiters = 1): Promise<unknown> =>
  until("a connection to wait for a lock", async () => {
    const [rows] = await db.execute(sql`SHOW GLOBAL STATUS LIKE 'Innodb_row_lock_current_waits'`);
    return Number((rows as unknown as { Value: string }[])[0]?.Value) >= waiters;
  });
