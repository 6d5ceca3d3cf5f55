// Every bound of the service, with its unit in its name. A queue, a batch, a cache or a wait that is not listed in
// this folder does not exist; the checks below hold the bounds against each other.

import { apiLimits } from "./limits/api.ts";
import { ledgerLimits } from "./limits/ledger.ts";
import { operationsLimits } from "./limits/operations.ts";

export const limits = { ...apiLimits, ...ledgerLimits, ...operationsLimits } as const;

/** Throws when two bounds contradict each other; called once at start. */
export function assertLimits(): void {
  const must = (ok: boolean, what: string) => {
    if (!ok) throw new Error(`limits.ts: ${what}`);
  };
  must(limits.grabWaitingAttemptsMax >= limits.grabCallAttemptsMax, "the queue must hold one call");
  must(limits.batchGrantsMax >= limits.grabCallAttemptsMax, "a batch must hold one ledger entry");
  must(limits.leaseRenewMs * 3 < limits.leaseSeconds * 1_000, "a lease must outlive two renewals");
  must(
    limits.redisCommandTimeoutMs < limits.httpIdleTimeoutSeconds * 1_000,
    "answers precede resets",
  );
  must(
    limits.stopReadyGraceMs +
      limits.stopRequestsMs +
      limits.stopDrainMs +
      limits.stopDrainGraceMs +
      limits.stopClientsMs <
      24_000,
    "a stop must end within 25 s",
  );
  must(
    Math.max(limits.stopFinisherMs, limits.captureStopMs, limits.tracesStopMs) < limits.stopDrainMs,
    "what stops beside the ledger must not take longer than it",
  );
  must(
    limits.soldOutRefreshMs < limits.soldOutTrustMs,
    "a snapshot is refreshed before it expires",
  );
  must(
    limits.orderAmountMax * 10_000 * (limits.couponsPerOrderMax + 1) < 2 ** 53,
    "bounds of a combination, in ten-thousandths, must be whole numbers",
  );
  must(
    limits.mysqlLockWaitSeconds * 2_000 < limits.mysqlQueryTimeoutMs,
    "MySQL must tell of a lock that is not to be had before its answer is overdue",
  );
  must(limits.walletRecentGrantsMax > limits.pageItemsMax, "recent grants must fill a page");
  must(limits.counterSalesPerReadMax >= limits.listPageSize, "a read must hold one page");
  must(
    limits.cacheLeaseSeconds * 1_000 > limits.cacheLoadWaitMsMax + limits.mysqlQueryTimeoutMs,
    "a lease must outlive a load",
  );
  must(
    limits.cacheLoadsAtOnce * 4 < limits.mysqlPoolConnections + limits.mysqlPoolWaitersMax,
    "loads of templates, sales, users and names must leave room in the pool's queue",
  );
  must(
    limits.cacheLoadsWaitingMax >= 2 * limits.walletRecentGrantsMax,
    "things of several pages must find room in the queue of loads",
  );
  must(
    limits.cacheCheckMs + limits.cacheMarkMs < limits.cacheTrustMs,
    "memory is proved before its trust ends",
  );
  must(
    limits.eventHeartbeatMs + 2 * limits.eventLookMs < 5_000,
    "who watches a sale hears something every 5 s",
  );
  must(
    limits.groupReadWaitersMax * 2 + limits.httpInFlightBodiesMax < limits.httpInFlightRequestsMax,
    "reads and bodies that wait must leave room for grabs",
  );
}
