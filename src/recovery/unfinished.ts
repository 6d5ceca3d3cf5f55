// Half-made changes of sales, as a recovery meets them. A sale that it rebuilds is rebuilt from MySQL, so MySQL must
// say by then whether it has the change; the gate is closed, so nobody else decides about it in Redis.

import { eq } from "drizzle-orm";
import type { Transaction } from "../db/client.ts";
import { hasOpened, isForUnopened } from "../sales/change/demands.ts";
import { isHeld, RECOVERY } from "../sales/change/own-pause.ts";
import { lockSale, remember, settleOrDrop, type Verdict } from "../sales/change/settle.ts";
import type { Decided } from "../sales/news.ts";
import { fieldsBefore, type PendingChange, type SaleRow } from "../sales/stored.ts";
import { outbox, sales } from "../sales/table.ts";
import type { Recovery } from "./context.ts";

interface Counters {
  readonly granted: number;
  readonly returned: number;
}

/**
 * Makes the half-made change of a sale whole, or undoes it; gives what was decided, for whoever is to be told.
 * `changeInRedis` is the last change that Redis knew the sale to have, undefined where it knew of none.
 */
export async function decideUnfinished(
  { context, write, epoch }: Recovery,
  saleId: number,
  counters: Counters,
  changeInRedis: string | undefined,
): Promise<Decided | undefined> {
  return write(async (tx) => {
    const sale = await lockSale(tx, saleId);
    const [pending] = await tx.select().from(outbox).where(eq(outbox.saleId, saleId));
    if (!sale || !pending) return undefined;
    const isIn = changeInRedis === pending.changeId;
    const opened = await hasOpened(tx, saleId);
    const verdict = verdictOn(pending, { sale, counters, isIn, opened, epoch });
    if ((await settleOrDrop(tx, pending, verdict)) === "unfit") {
      const { action, change } = pending;
      context.log.error({ saleId, action, change }, "a change that MySQL cannot hold is dropped");
    }
    return { pending, sale };
  });
}

function verdictOn(
  { action, change, before, epoch: bound }: PendingChange,
  {
    sale,
    counters,
    isIn,
    opened,
    epoch,
  }: { sale: SaleRow; counters: Counters; isIn: boolean; opened: boolean; epoch: number },
): Verdict {
  const active = counters.granted - counters.returned;
  // Whoever wanted it away can ask again; here a sale is about to be put in place.
  if (action === "delete") return "refused";
  if (change.total !== undefined && change.total < sale.total && active > change.total)
    return "refused";
  // More is held than the sale had before: Redis has had the change, and has lost it.
  if (isIn || (before.total !== undefined && active > before.total)) return "applied";
  if (bound !== null && bound !== epoch) return "refused";
  return isForUnopened(change) && opened ? "refused" : "applied";
}

/**
 * Pauses a sale in MySQL, as a change that is whole at once: Redis gets it with the rebuilt sale. A change that has
 * begun meanwhile is refused: it was judged without the pause. Gives that one, for whoever is to be told.
 */
export async function pauseWithin(
  tx: Transaction,
  saleId: number,
  reason: string,
): Promise<Decided | undefined> {
  const before = await lockSale(tx, saleId);
  const [pending] = await tx.select().from(outbox).where(eq(outbox.saleId, saleId));
  if (pending) await settleOrDrop(tx, pending, "refused");
  const refused = pending && { pending, sale: before };
  const sale = await lockSale(tx, saleId);
  if (!sale || (sale.state === "paused" && (await isHeld(tx, saleId)))) return refused;
  const change = { state: "paused" } as const;
  const [version, changeId] = [sale.version + 1, crypto.randomUUID()];
  await tx
    .update(sales)
    .set({ ...change, version, changeId })
    .where(eq(sales.id, saleId));
  await remember(tx, {
    ...{ saleId, changeId, version, action: "pause", change },
    ...{ before: fieldsBefore(sale, change), reason, actor: RECOVERY, requestKey: null },
  });
  return refused;
}
