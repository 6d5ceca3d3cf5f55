// Changes of sales, which live in both stores.
//
//   1. MySQL, one transaction: the change is judged against the row, which is held, and put into the outbox. What it
//      opens up (a greater total, the end of a pause) is in the row from here on: MySQL refuses grants beyond its
//      total, so Redis must not have a greater one than MySQL. So is a new name, which nobody else may have.
//   2. Redis, one script: absolute values with the change's id and a version, so that a repetition changes nothing.
//      Here it is decided whether a total can be lowered and whether a sale is open already, between two grabs.
//   3. MySQL, one transaction: the rest of the row, the history, and out of the outbox; or back to what was. Not
//      after the shard's next epoch has begun: Redis may have lost the change with its reply, and is asked again.
//
// Whoever dies in between leaves a row in the outbox, and every process finishes what it finds there: 2 and 3 can be
// done by anybody, any number of times. One change per sale is in the outbox, so changes of a sale follow each other.
// A recovery that rebuilds a sale decides its half-made change itself (recovery/unfinished.ts).

import { and, asc, eq, inArray, lt, sql } from "drizzle-orm";
import type { Database, Transaction } from "../../db/client.ts";
import type { Gates } from "../../grab/gates.ts";
import { limits } from "../../limits.ts";
import type { Redis } from "../../redis/client.ts";
import { saleKeys, shardOf } from "../../redis/keys.ts";
import { type Decided, type SaleNews, tellOf } from "../news.ts";
import { columnsOf, fieldsBefore, type PendingChange, type SaleRow } from "../stored.ts";
import { outbox, type SaleAction, type SaleChange, saleChanges, sales } from "../table.ts";
import { hasOpened } from "./demands.ts";
import { applyInRedis, refusalOf } from "./in-redis.ts";
import { hasOwnPause } from "./new-template.ts";
import type { ChangeOutcome, Refusal } from "./outcome.ts";
import { forgetPending, holdPending, isAtEpoch, lockSale, settle, settleOrDrop } from "./settle.ts";

export interface ChangeRequest {
  readonly saleId: number;
  readonly action: SaleAction;
  readonly reason: string;
  readonly actor: string;
  readonly requestKey: string | null;
  /** Bound to this epoch of the shard: after a recovery it is not made any more. */
  readonly epoch?: number;
  /** Whether the sale is the asker's, before anything else; to others it is unknown. */
  readonly isTheirs?: (sale: SaleRow) => boolean;
  /** Taken before the sale's row: whoever changes a total or the template holds the template first. */
  readonly lockFirst?: (tx: Transaction, sale: SaleRow) => Promise<unknown>;
  /** Judges the row, which is held; `hasOpened` by MySQL's clock. An empty change is one that has no effect. */
  readonly edit: (
    sale: SaleRow,
    hasOpened: boolean,
    tx: Transaction,
  ) => Promise<SaleChange | Refusal> | SaleChange | Refusal;
}

type Begun =
  /** `made` is what was changed, if anything. */
  | { readonly kind: "settled"; readonly outcome: ChangeOutcome; readonly made?: Decided }
  /** The sale has got another template since its template was locked. */
  | { readonly kind: "again" }
  /** `mine` is false where it is somebody else's, which must be finished first. */
  | (Decided & { readonly kind: "pending"; readonly mine: boolean });

const done = { kind: "done" } as const;
const settled = (outcome: ChangeOutcome): Begun => ({ kind: "settled", outcome });

/** What of a change MySQL has first. */
function opening({ total }: SaleRow, change: SaleChange): SaleChange {
  return {
    ...(change.name === undefined ? {} : { name: change.name }),
    ...(change.total !== undefined && change.total > total ? { total: change.total } : {}),
    ...(change.state === "open" ? { state: "open" } : {}),
  };
}

/** Whether a request with this key has changed a sale before. */
async function wasMade(tx: Transaction, requestKey: string): Promise<boolean> {
  const [made] = await tx
    .select({ id: saleChanges.id })
    .from(saleChanges)
    .where(eq(saleChanges.requestKey, requestKey));
  return made !== undefined;
}

async function isInMysql(db: Database, saleId: number): Promise<boolean> {
  const [row] = await db.select({ id: sales.id }).from(sales).where(eq(sales.id, saleId));
  return row !== undefined;
}

export interface Changes {
  /** Throws the servers' errors: then it is not known whether the change is noted, and a repeat tells. */
  change(request: ChangeRequest): Promise<ChangeOutcome>;
  /** Makes one whole that somebody has left half-made, or undoes it. Throws the servers' errors. */
  finish(pending: PendingChange): Promise<ChangeOutcome>;
  /** Those of these shards that have waited for longer than a request lasts, the oldest first. */
  waiting(shards: readonly number[]): Promise<PendingChange[]>;
  /** Whether it still stands in the outbox. */
  stands(pending: PendingChange): Promise<boolean>;
}

export interface ChangesDeps {
  readonly db: Database;
  readonly redis: Redis;
  /** Told each time that a store has a change of a sale. */
  readonly news: SaleNews;
  /** Told of a sale that MySQL takes for warm and Redis does not have. */
  readonly onMissing?: (saleId: number) => void;
  /** Told of a change that MySQL cannot hold and has dropped: Redis may have it, so its shard is to be recovered. */
  readonly onUnfit: (pending: PendingChange) => unknown;
  /** Told of Redis's errors, which may mean that it has forgotten its scripts. */
  readonly gates?: Pick<Gates, "at" | "notice">;
}

export function createChanges(deps: ChangesDeps): Changes {
  const { db, redis, news, onMissing, onUnfit } = deps;

  /** Begins in MySQL. */
  const begin = (request: ChangeRequest): Promise<Begun> =>
    db.transaction(async (tx): Promise<Begun> => {
      const { saleId, action, reason, actor, requestKey, epoch = null } = request;
      if (requestKey !== null && (await wasMade(tx, requestKey))) return settled(done);
      const [unlocked] = await tx.select().from(sales).where(eq(sales.id, saleId));
      if (!unlocked || request.isTheirs?.(unlocked) === false) return settled({ kind: "unknown" });
      await request.lockFirst?.(tx, unlocked);
      const sale = await lockSale(tx, saleId);
      if (!sale) return settled({ kind: "unknown" });
      if (request.lockFirst && sale.templateId !== unlocked.templateId) return { kind: "again" };
      const [standing] = await tx.select().from(outbox).where(eq(outbox.saleId, saleId));
      if (standing) {
        const mine = requestKey !== null && standing.requestKey === requestKey;
        return { kind: "pending", pending: standing, sale, mine };
      }
      const change = await request.edit(sale, await hasOpened(tx, saleId), tx);
      if ("kind" in change) return settled(change);
      if (Object.keys(change).length === 0) return settled(done);
      const pending: PendingChange = {
        ...{ saleId, changeId: crypto.randomUUID(), version: sale.version + 1, action, change },
        before: fieldsBefore(sale, change),
        ...{ epoch, reason: reason.slice(0, 255), actor, requestKey, createdAt: new Date() },
      };
      const { createdAt: _, ...values } = pending;
      await tx.insert(outbox).values(values);
      // Redis has nothing yet, and whoever warms it reads the row after this.
      if (sale.warmedAt === null) {
        await settle(tx, pending, "applied");
        if (action === "delete") await forgetPending(tx, pending);
        return { kind: "settled", outcome: done, made: { pending, sale } };
      }
      const first = opening(sale, change);
      if (Object.keys(first).length > 0)
        await tx.update(sales).set(columnsOf(first)).where(eq(sales.id, saleId));
      return { kind: "pending", pending, sale, mine: true };
    });

  async function finish(pending: PendingChange): Promise<ChangeOutcome> {
    const { saleId, action, change } = pending;
    const { word, epoch } = await applyInRedis(deps, pending);
    if (word === "applied") await news.changed(saleId);
    if (word === "fenced") return { kind: "later" };
    // A sale that was deleted is missing in Redis once MySQL has no such sale; any other is lost, or on its way.
    if (word === "missing" && (await isInMysql(db, saleId))) {
      onMissing?.(saleId);
      return { kind: "later" };
    }
    const isIn = word === "applied" || word === "same";
    // Waits for the sale alone first: nobody's wait for one sale may hold the row of its shard.
    const sale = await db.transaction((tx) => lockSale(tx, saleId));
    const verdict = await db.transaction(async (tx) =>
      (await isAtEpoch(tx, shardOf(saleId), epoch))
        ? settleOrDrop(tx, pending, isIn ? "applied" : "refused")
        : undefined,
    );
    if (verdict === undefined) return { kind: "later" };
    // First: nobody who comes later finds the row by which the names and lists of a deleted sale are told.
    await tellOf(news, { pending, sale });
    if (verdict === "applied" && action === "delete") await forgetInRedis(pending);
    if (verdict === "unfit") await onUnfit(pending);
    if (verdict !== "applied") return refusalOf(word);
    return hasOwnPause(change) ? resume(saleId) : done;
  }

  /** Ends the pause that a change has brought, unless somebody has done so already. */
  async function resume(saleId: number): Promise<ChangeOutcome> {
    const [next] = await db.select().from(outbox).where(eq(outbox.saleId, saleId));
    if (!next) return done;
    const { kind } = await finish(next);
    return kind === "later" ? { kind } : done;
  }

  /** While its deletion stands in the outbox, MySQL has no such sale any more; whoever is late finds no row. */
  async function forgetInRedis(pending: PendingChange): Promise<void> {
    const { sale, winners } = saleKeys(pending.saleId);
    await db.transaction(async (tx) => {
      if (!(await holdPending(tx, pending))) return;
      await redis.unlink(sale, winners);
      await forgetPending(tx, pending);
    });
  }

  return {
    finish,

    async change(request) {
      for (let round = 0; round < limits.changeRoundsMax; round += 1) {
        const begun = await begin(request);
        if (begun.kind === "again") continue;
        if (begun.kind === "settled") {
          if (begun.made) await tellOf(news, begun.made);
          else if (begun.outcome.kind === "done") await news.changed(request.saleId);
          return begun.outcome;
        }
        const outcome = await finish(begun.pending);
        // Of what MySQL has already, as a new name; the rest is told when it is finished.
        if (begun.mine && outcome.kind === "later") await tellOf(news, begun);
        if (begun.mine) return outcome;
        if (outcome.kind === "later") break;
      }
      return { kind: "busy" };
    },

    waiting: (open) =>
      db
        .select()
        .from(outbox)
        .where(
          and(
            lt(
              outbox.createdAt,
              sql`UTC_TIMESTAMP(3) - INTERVAL ${sql.raw(String(limits.outboxPatienceSeconds))} SECOND`,
            ),
            inArray(sql`${outbox.saleId} % ${limits.shards}`, [...open]),
          ),
        )
        .orderBy(asc(outbox.createdAt), asc(outbox.saleId))
        .limit(limits.outboxPerPass),

    async stands({ saleId, changeId }) {
      const [row] = await db
        .select({ saleId: outbox.saleId })
        .from(outbox)
        .where(and(eq(outbox.saleId, saleId), eq(outbox.changeId, changeId)));
      return row !== undefined;
    },
  };
}
