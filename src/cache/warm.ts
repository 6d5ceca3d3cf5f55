// What is put into the caches at start, and again whenever they were emptied: the sales that are open or open soon, the
// newest first, and their templates. The first users of a sale would otherwise all wait for the same rows.

import { and, desc, gt, isNull, lt, or, sql } from "drizzle-orm";
import type { Database } from "../db/client.ts";
import { reasonOf } from "../db/errors.ts";
import { limits } from "../limits.ts";
import type { Log } from "../log.ts";
import { sales } from "../sales/table.ts";
import { EVERYTHING } from "./changes.ts";
import type { Levels, Lookup } from "./levels.ts";

interface Warmed {
  readonly sales: Pick<Lookup<number, object>, "get">;
  readonly templates: Pick<Lookup<number, object>, "get">;
}

/** Resolves when it is done; never throws: whatever is not warm is loaded when it is asked for. */
export async function warmUp(
  { db, log }: { db: Database; log: Log },
  lookups: Warmed,
): Promise<void> {
  try {
    const now = sql`UTC_TIMESTAMP(3)`;
    const soon = sql`${now} + INTERVAL ${sql.raw(String(limits.cacheWarmAheadSeconds))} SECOND`;
    const rows = await db
      .select({ id: sales.id, templateId: sales.templateId })
      .from(sales)
      .where(
        and(
          or(isNull(sales.opensAt), lt(sales.opensAt, soon)),
          or(isNull(sales.closesAt), gt(sales.closesAt, now)),
        ),
      )
      .orderBy(desc(sales.id))
      .limit(limits.cacheWarmSalesMax);
    const templates = [...new Set(rows.map(({ templateId }) => templateId))];
    const gets = [
      ...rows.map(
        ({ id }) =>
          () =>
            lookups.sales.get(id),
      ),
      ...templates.map((id) => () => lookups.templates.get(id)),
    ];
    for (let at = 0; at < gets.length; at += limits.cacheWarmAtOnce) {
      await Promise.all(gets.slice(at, at + limits.cacheWarmAtOnce).map((get) => get()));
    }
  } catch (error) {
    log.info({ reason: reasonOf(error) }, "the caches are not warm");
  }
}

/**
 * Warms the caches now and whenever everything may have changed, as some time after most starts (reader.ts) and after a
 * loss of messages: one warming at a time, and one more for all that happens during it.
 */
export function keepWarm(
  { levels, ...deps }: { db: Database; log: Log; levels: Pick<Levels, "onChange"> },
  lookups: Warmed,
): void {
  let [isDue, isRunning] = [false, false];
  const warm = async () => {
    isDue = true;
    if (isRunning) return;
    isRunning = true;
    while (isDue) {
      isDue = false;
      await warmUp(deps, lookups);
    }
    isRunning = false;
  };
  levels.onChange((changes) => {
    if (changes === EVERYTHING) void warm();
  });
  void warm();
}
