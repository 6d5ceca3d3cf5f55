// A sale gets another template. Which template a coupon is of, the ledger reads in MySQL when it writes the grant, and
// when a sale opens Redis alone decides; so a sale that opened between the two stores of such a change would have
// coupons of one template that were won under the other. Therefore nobody can win while the change is under way: what
// Redis takes first is a pause (the change demands that nobody has any of the sale yet), then MySQL gets the template,
// and in the same transaction the end of the pause stands in the outbox, as the next change of the sale. A sale that
// is paused anyway, or that Redis does not have yet, needs none of this.

import type { PendingChange, SaleRow } from "../stored.ts";
import type { SaleChange } from "../table.ts";

/** The change, with the pause that it needs. */
export function withPause(sale: SaleRow, change: SaleChange): SaleChange {
  if (change.templateId === undefined || sale.warmedAt === null || sale.state !== "open")
    return change;
  return { ...change, state: "paused" };
}

/** Whether a change has brought its own pause, which has to end. */
export const hasOwnPause = ({ templateId, state }: SaleChange): boolean =>
  templateId !== undefined && state === "paused";

/** The change that ends the pause of this one. */
export const resumingAfter = ({ saleId, version, action, actor }: PendingChange) => ({
  ...{ saleId, changeId: crypto.randomUUID(), version: version + 1, action, actor },
  ...({ before: { state: "paused" }, change: { state: "open" } } as const),
  ...{ epoch: null, reason: "it has its template", requestKey: null },
});
