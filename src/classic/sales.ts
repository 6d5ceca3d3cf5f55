import { LRUCache } from "lru-cache";
import { z } from "zod";
import { type Levels, nameOfSale, type Slot } from "../cache/levels.ts";
import type { CouponCodes } from "../coupons/code.ts";
import type { Database } from "../db/client.ts";
import { isDuplicate, reasonOf } from "../db/errors.ts";
import { limits } from "../limits.ts";
import type { Log } from "../log.ts";
import type { Redis } from "../redis/client.ts";
import { findSaleId, type SaleFacts, saleNameKey } from "../sales/facts.ts";
import { sales } from "../sales/table.ts";
import { templates } from "../templates/table.ts";
import { createSellerLists } from "./seller-lists.ts";

export type { SaleFacts } from "../sales/facts.ts";

export interface NewSale {
  sellerId: number;
  sellerName: string;
  name: string;
  /** Units to sell. */
  amount: number;
  /** Minor units. */
  faceValue: number;
  description: string;
}

export type CreateOutcome =
  | { kind: "created"; sale: SaleFacts }
  | { kind: "duplicate" }
  | { kind: "unavailable" };

/** What a seller's name for a coupon stands for. */
export interface NamedSale {
  id: number;
}

export interface Sales {
  /** Memory only, one look-up: the grab's hot path. Names as they stand in the URL, decoded once. */
  peek(sellerName: string, couponName: string): NamedSale | undefined;
  /** Undefined: no such seller, or no such coupon of that seller. Throws an outage's error or Overloaded. */
  find(sellerName: string, couponName: string): Promise<NamedSale | undefined>;
  /** Makes a coupon and its open sale, limit one per user. Throws MySQL's error when MySQL fails. */
  create(input: NewSale): Promise<CreateOutcome>;
  /**
   * Newest first, `listPageSize` a page, `page` from 1. JSON array text of
   * `{"name","stock","description","amount","left"}`, or "" when the page is empty. `left` is live.
   */
  sellerPage(sellerId: number, page: number): Promise<string>;
}

export interface SalesDeps {
  redis: Redis;
  db: Database;
  levels: Pick<Levels, "lookup" | "onChange">;
  users: { find(username: string): Promise<{ id: number } | undefined> };
  warmer: { available(): boolean; warm(saleId: number): Promise<"warm" | "later"> };
  codes: Pick<CouponCodes, "current">;
  log: Log;
}

// Longer than any name that exists, also before it is folded: such a name is not worth a question or memory.
const nameLengthMax = limits.couponNameCharsMax * 2;

// The length comes first, so that no pair of names can be mistaken for another.
const pairKey = (sellerName: string, couponName: string): string =>
  `${sellerName.length}/${sellerName}/${couponName}`;

const namedSchema = z.object({ id: z.number() });

async function insertSale(
  { db, codes }: Pick<SalesDeps, "db" | "codes">,
  input: NewSale,
  name: string,
): Promise<SaleFacts> {
  const { sellerId, faceValue, amount: total } = input;
  const description = input.description.toWellFormed();
  const id = await db.transaction(async (tx) => {
    const [template] = await tx
      .insert(templates)
      .values({ sellerId, name, description, faceValue })
      .$returningId();
    const [sale] = await tx
      .insert(sales)
      .values({
        sellerId,
        templateId: (template as { id: number }).id,
        name,
        nameKey: saleNameKey(name),
        total,
        userLimit: 1,
        state: "open",
        codeKey: codes.current,
      })
      .$returningId();
    return (sale as { id: number }).id;
  });
  return { id, sellerId, name, faceValue, description, total };
}

/** Sales by name, their making, and the sellers' lists. */
export function createSales({ redis, db, levels, users, warmer, codes, log }: SalesDeps): Sales {
  const named = levels.lookup<string, NamedSale>({
    kind: "sale-name",
    entriesMax: limits.cacheSalesMax,
    load: (key) => findSaleId(db, key),
    parse: (json) => namedSchema.parse(JSON.parse(json)),
  });
  // By the names as users write them, of which folding would cost more than all the rest of a look-up. What is
  // found is a slot of the level above, which is empty when the sale's name has changed.
  const byNames = new LRUCache<string, Slot<NamedSale>>({ max: limits.cacheSalesMax });

  function keep(sellerName: string, couponName: string, key: string): void {
    const slot = named.slot(key);
    if (slot) byNames.set(pairKey(sellerName, couponName), slot);
  }

  const lists = createSellerLists({ redis, db, levels });

  return {
    peek(sellerName, couponName) {
      const slot = byNames.get(pairKey(sellerName, couponName));
      return slot && named.read(slot);
    },

    async find(sellerName, couponName) {
      if (sellerName.length > nameLengthMax || couponName.length > nameLengthMax) return undefined;
      const seller = await users.find(sellerName);
      if (!seller) return undefined;
      const key = nameOfSale(seller.id, couponName);
      const sale = await named.get(key);
      if (sale) keep(sellerName, couponName, key);
      return sale;
    },

    // Where a crash can fall, and what a repeat of the request sees:
    // - before COMMIT: nothing was made; the repeat makes it.
    // - COMMIT unanswered (MySQL away): 503; the repeat says "duplicate" if it took effect, and makes it if not.
    // - after COMMIT, before the answer: the sale exists. Some process's background pass warms it, lists read
    //   it from MySQL (a cached page no later than `cacheSellerPageSeconds`), the name is found in MySQL. The
    //   repeat says "duplicate", which is true: the name is taken, by the client's own sale.
    // So from COMMIT on nothing may fail the request: without Redis the sale waits to be warmed, grabs on it
    // answer "unavailable" as all grabs then do, and the 201 stays true.
    async create(input) {
      if (!warmer.available()) return { kind: "unavailable" };
      // A lone surrogate has no UTF-8 form; memory must hold the name that MySQL will give back.
      const name = input.name.toWellFormed();
      let sale: SaleFacts;
      try {
        sale = await insertSale({ db, codes }, input, name);
      } catch (error) {
        if (isDuplicate(error)) return { kind: "duplicate" };
        throw error;
      }
      const warmed = await warmer.warm(sale.id);
      if (warmed === "later") log.info({ sale: sale.id }, "a new sale will be warmed later");
      const key = nameOfSale(sale.sellerId, name);
      await named.renew(key);
      try {
        await lists.changed(sale.sellerId);
      } catch (error) {
        log.warn({ sale: sale.id, reason: reasonOf(error) }, "a new sale may be listed late");
      }
      keep(input.sellerName, name, key);
      return { kind: "created", sale };
    },

    sellerPage: (sellerId, page) => lists.page(sellerId, page),
  };
}
