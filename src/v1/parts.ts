// Everything that /v1 is made of, put together.

import type { Endings } from "../auth/endings.ts";
import { createServiceKeys } from "../auth/keys.ts";
import type { Passwords } from "../auth/passwords.ts";
import { startSessionPurge } from "../auth/purge.ts";
import { createSessions } from "../auth/refresh.ts";
import type { Revocations } from "../auth/revocations.ts";
import { createAccounts } from "../auth/service.ts";
import type { Throttle } from "../auth/throttle.ts";
import type { Tokens } from "../auth/token.ts";
import type { Levels } from "../cache/levels.ts";
import { keepWarm } from "../cache/warm.ts";
import type { Clock } from "../clock.ts";
import type { Config } from "../config.ts";
import type { CouponCodes } from "../coupons/code.ts";
import { createPending } from "../coupons/pending.ts";
import { createCoupons } from "../coupons/service.ts";
import { startSweep } from "../coupons/sweep.ts";
import { createCouponWallet } from "../coupons/wallet.ts";
import type { PooledDatabase } from "../db/client.ts";
import { createDiscounts } from "../discounts/service.ts";
import { SaleEvents } from "../events/service.ts";
import type { Gates } from "../grab/gates.ts";
import { createV1Grab } from "../grab/handler.ts";
import type { Grabs } from "../grab/service.ts";
import { createAnswers } from "../idempotency/service.ts";
import type { Log } from "../log.ts";
import type { Redis } from "../redis/client.ts";
import { createSaleParts, type SalePartsDeps } from "../sales/parts.ts";
import { createTemplateLookup } from "../templates/cached.ts";
import { createTemplates } from "../templates/service.ts";
import type { Users } from "../users/service.ts";
import { createV1, type V1Deps } from "./app.ts";
import { createEdge } from "./edge.ts";

interface PartsDeps {
  readonly config: Pick<Config, "durability" | "jwtSecret" | "trustProxy">;
  readonly db: PooledDatabase;
  readonly redis: Redis;
  readonly levels: Levels;
  readonly codes: CouponCodes;
  readonly tokens: Tokens;
  readonly revocations: Pick<Revocations, "revoke">;
  readonly endings: Pick<Endings, "announce">;
  readonly users: Users;
  readonly passwords: Passwords;
  readonly throttle: Throttle;
  readonly grabs: Grabs;
  readonly gates: Gates;
  readonly warmer: SalePartsDeps["warmer"];
  readonly onSaleChanged: SalePartsDeps["onSaleChanged"];
  readonly onSaleMissing: SalePartsDeps["onSaleMissing"];
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: V1Deps["metrics"];
}

/** `start` begins what /v1 does in the background and returns how to stop it, which waits for what is under way. */
export function createV1Parts(deps: PartsDeps) {
  const { config, db, levels, codes, tokens, grabs, clock, log } = deps;
  const answers = createAnswers({ db, log });
  const keys = createServiceKeys({ db, clock });
  const edge = createEdge({ tokens, keys, answers });
  const sessions = createSessions({ ...deps, jwtSecret: config.jwtSecret });
  const accounts = createAccounts({ ...deps, sessions });
  const saleParts = createSaleParts(deps);
  const { records: grabSales, flash, views, stats } = saleParts;
  const templateStore = createTemplates({
    db,
    onChanged: ({ id, sellerId }) =>
      levels.changed({ kind: "template", key: id }, { kind: "seller-list", key: sellerId }),
  });
  const templates = createTemplateLookup(levels, db);
  const pending = createPending({ ...deps, templates });
  const wallet = createCouponWallet({ ...deps, pending, templates });
  const coupons = createCoupons({ db, wallet });
  const exists = async (id: number) => (await grabSales.get(id)) !== undefined;
  const events = new SaleEvents({ ...deps, exists });
  const { durability } = config;
  const v1Grab = createV1Grab({ tokens, keys, grabSales, grabs, codes, durability });
  return {
    v1: createV1({
      ...{ ...deps, edge, sessions, accounts, grabSales, wallet, coupons, v1Grab },
      ...{ templateStore, flash, views, stats, events },
      discounts: createDiscounts({ db, pending, clock }),
    }),
    events,
    salesNotWarm: () => saleParts.notWarm(),
    rateOf: saleParts.rateOf,
    v1Grab,
    start: (): (() => Promise<void>) => {
      keepWarm({ db, log, levels }, { sales: grabSales, templates });
      const stops = [
        ...[startSweep(db, log), saleParts.start()],
        ...[answers.start(), startSessionPurge(db, log)],
      ];
      return async () => {
        await Promise.all(stops.map((stop) => stop()));
      };
    },
  };
}
