// What /v1 has of sales, put together.

import type { Levels } from "../cache/levels.ts";
import type { Clock } from "../clock.ts";
import type { Database } from "../db/client.ts";
import type { Gates } from "../grab/gates.ts";
import type { Log } from "../log.ts";
import type { Redis } from "../redis/client.ts";
import { createChanges } from "./change/changes.ts";
import { startFinisher } from "./change/finisher.ts";
import { createFlashSales } from "./flash.ts";
import { createListedSales } from "./listed.ts";
import { createSaleNews } from "./news.ts";
import { createLiveNumbers } from "./numbers.ts";
import { createSaleRecords, rateIn } from "./records.ts";
import { statsOf } from "./stats.ts";
import { createSaleViews } from "./views.ts";
import type { Warmer } from "./warm.ts";
import { createSaleWatch } from "./watch.ts";

export interface SalePartsDeps {
  readonly db: Database;
  readonly redis: Redis;
  readonly levels: Levels;
  readonly gates: Gates;
  readonly warmer: Pick<Warmer, "warm">;
  readonly codes: { readonly current: string };
  readonly clock: Clock;
  readonly log: Log;
  /** Told of each sale that has changed, on any process. */
  readonly onSaleChanged: (saleId: number) => void;
  /** Told of a sale that MySQL takes for warm and Redis does not have, or has otherwise. */
  readonly onSaleMissing: (saleId: number) => void;
}

export function createSaleParts(deps: SalePartsDeps) {
  const { db, redis, levels, clock, log } = deps;
  const records = createSaleRecords(levels, db);
  const listed = createListedSales(levels, db);
  const numbers = createLiveNumbers({ redis, clock });
  levels.onChange((changes) => {
    if (typeof changes === "string") return;
    for (const { kind, key } of changes) {
      if (kind !== "sale") continue;
      numbers.drop(Number(key));
      deps.onSaleChanged(Number(key));
    }
  });
  const news = createSaleNews(levels);
  const changes = createChanges({
    ...{ db, redis, news, gates: deps.gates },
    onMissing: deps.onSaleMissing,
    onUnfit({ saleId, action, change }) {
      log.error({ saleId, action, change }, "a change that MySQL cannot hold is dropped");
      // A recovery makes Redis what MySQL is.
      deps.onSaleMissing(saleId);
    },
  });
  const watch = createSaleWatch({ db, redis, log, onMissing: deps.onSaleMissing });
  return {
    records,
    rateOf: (saleId: number) => rateIn(records, saleId),
    flash: createFlashSales({ ...deps, changes, news }),
    views: createSaleViews({ db, records, listed, numbers, clock }),
    stats: (saleId: number, owner: number | undefined) =>
      statsOf({ db, numbers, clock }, saleId, owner),
    notWarm: () => watch.notWarm(),
    /** Returns how to stop, which waits for a change that is being finished. */
    start(): () => Promise<void> {
      const stopWatch = watch.start();
      const stopFinisher = startFinisher({ ...deps, changes });
      return () => {
        stopWatch();
        return stopFinisher();
      };
    },
  };
}
