// Who is told when a sale was made, changed or deleted: the caches of every process, what they have derived from
// them, the sellers' lists and the names by which the classic API finds a sale.

import { type Levels, nameOfSale } from "../cache/levels.ts";
import type { SaleRow } from "./stored.ts";

/** Neither throws: what cannot be told now is told later. */
export interface SaleNews {
  changed(saleId: number): Promise<void>;
  /** There is a sale that was not there, or none any more where one was, or lists show it otherwise. */
  relisted(sale: Pick<SaleRow, "id" | "sellerId" | "name">): Promise<void>;
}

export const createSaleNews = (levels: Pick<Levels, "changed">): SaleNews => ({
  changed: (saleId) => levels.changed({ kind: "sale", key: saleId }),
  relisted: ({ id, sellerId, name }) =>
    levels.changed(
      { kind: "sale", key: id },
      { kind: "sale-name", key: nameOfSale(sellerId, name) },
      { kind: "seller-list", key: sellerId },
    ),
});
