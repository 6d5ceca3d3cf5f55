// The heartbeat of this process in MySQL. It has a cadence and a connection of its own: a slow server must not make a
// process that claims and renews look dead.

import { eq, lt, sql } from "drizzle-orm";
import type { Database } from "../db/client.ts";
import { secondsFromNow } from "../db/columns.ts";
import { limits } from "../limits.ts";
import { ownScripts, thisPlace } from "./liveness.ts";
import { processes } from "./table.ts";

const DAY_SECONDS = 86_400;

export class Heart {
  #beatAt = Number.NEGATIVE_INFINITY;
  #steadySince = 0;

  constructor(
    readonly db: Database,
    readonly processId: string,
  ) {}

  /** One beat, with what it says of Redis. Throws when MySQL does not answer. */
  async beat(reachesRedis: boolean): Promise<void> {
    await this.db
      .insert(processes)
      .values({
        ...{ id: this.processId, host: thisPlace, pid: process.pid, scripts: ownScripts },
        ...{ startedAt: sql`NOW(3)`, heartbeatAt: sql`NOW(3)`, reachesRedis },
      })
      .onDuplicateKeyUpdate({ set: { heartbeatAt: sql`NOW(3)`, reachesRedis } });
    if (!this.#isFresh()) this.#steadySince = performance.now();
    this.#beatAt = performance.now();
  }

  /**
   * True when this process has reached MySQL for so long without a break, and still does, that every other one that
   * lives has been able to beat as well. Right after an outage of MySQL everybody's heartbeat is old.
   */
  get isSteady(): boolean {
    const steadyMs = performance.now() - this.#steadySince;
    return this.#isFresh() && steadyMs > limits.leaseSeconds * 1_000 + limits.leaseRenewMs;
  }

  #isFresh(): boolean {
    return performance.now() - this.#beatAt < limits.leaseSeconds * 1_000;
  }

  /** Takes this process out of the count, and with it long dead ones. */
  async leave(): Promise<void> {
    await this.db.delete(processes).where(eq(processes.id, this.processId));
    await this.db.delete(processes).where(lt(processes.heartbeatAt, secondsFromNow(-DAY_SECONDS)));
  }
}
