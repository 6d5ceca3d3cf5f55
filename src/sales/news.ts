// Who is told when a sale was made, changed or deleted: the caches of every process, what they have derived from
// them, the sellers' lists and the names by which the classic API finds a sale.

import { nameOfSale } from "../cache/changes.ts";
import type { Levels } from "../cache/levels.ts";
import { announce } from "../cache/shared.ts";
import type { Redis } from "../redis/client.ts";
import type { PendingChange, SaleRow } from "./stored.ts";

/** Neither throws. */
export interface SaleNews {
  changed(saleId: number): Promise<void>;
  /** There is a sale that was not there, or none any more where one was, or lists show it otherwise. */
  relisted(sale: Pick<SaleRow, "id" | "sellerId" | "name">): Promise<void>;
}

/** By way of the caches of this process, which tell later what they cannot tell now. */
export const createSaleNews = (levels: Pick<Levels, "changed">): SaleNews => ({
  changed: (saleId) => levels.changed({ kind: "sale", key: saleId }),
  relisted: ({ id, sellerId, name }) =>
    levels.changed(
      { kind: "sale", key: id },
      { kind: "sale-name", key: nameOfSale(sellerId, name) },
      { kind: "seller-list", key: sellerId },
    ),
});

/**
 * For whoever has no caches: the ledger's thread and the commands. What Redis does not take is left to the binlog, or
 * to the time that caches believe what they have.
 */
export const newsThrough = (redis: Redis): SaleNews =>
  createSaleNews({
    changed: (...changes) => announce(redis, "nobody's cache", changes).catch(() => undefined),
  });

/** A change that MySQL has, or does not have any more, and the sale's row as it was right before that. */
export interface Decided {
  readonly pending: PendingChange;
  /** Undefined: there was no such sale any more. */
  readonly sale: SaleRow | undefined;
}

/** Tells of a change once MySQL's transaction has ended; of one that was refused too, whose new name is free again. */
export async function tellOf(news: SaleNews, { pending, sale }: Decided): Promise<void> {
  const { saleId, action, before, change } = pending;
  const isRelisted =
    action === "delete" || change.name !== undefined || change.templateId !== undefined;
  if (!sale || !isRelisted) return news.changed(saleId);
  const { id, sellerId } = sale;
  for (const name of new Set([sale.name, before.name, change.name]))
    if (name !== undefined) await news.relisted({ id, sellerId, name });
}
