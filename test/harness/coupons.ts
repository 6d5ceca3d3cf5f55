// Coupons for tests of what becomes of them: templates and coupons are put into MySQL as the ledger's worker does
// it, and a check holds all that MySQL has of them against each other.

import { and, eq, sql } from "drizzle-orm";
import { makeOwner } from "../../src/coupons/hold.ts";
import type { Wish } from "../../src/coupons/plan.ts";
import { type Coupons, createCoupons, type Outcome } from "../../src/coupons/service.ts";
import { coupons, couponUsageLogs, templateUsers } from "../../src/coupons/table.ts";
import { type Database, openPool, type Transaction } from "../../src/db/client.ts";
import { limits } from "../../src/limits.ts";
import { templates } from "../../src/templates/table.ts";
import { inParallel } from "./http.ts";
import { freshDatabase, stopLater } from "./servers.ts";
import { untilSomebodyWaits } from "./waits.ts";

type Template = typeof templates.$inferInsert;

let lastId = 5_000;
/** A number that nobody else in this test file has. */
export const freshNumber = (): number => ++lastId;
export const freshOrder = (): string => `order-${freshNumber()}`;

export interface Shop {
  readonly db: Database;
  readonly coupons: Coupons;
}

const shopOn = (db: Database): Shop => ({
  db,
  coupons: createCoupons({ db, wallet: { isPending: () => Promise.resolve(false) } }),
});

/** A process that changes coupons, with a pool of its own. */
export function openShop(databaseUrl: string): Shop {
  const { db, close } = openPool(databaseUrl, limits.mysqlPoolConnections);
  stopLater(close);
  return shopOn(db);
}

/** Holds the rows of coupons, and nothing else. */
export async function holdCoupons(tx: Transaction, held: readonly TestCoupon[]): Promise<void> {
  // By the index that changes take to it, or it and a change that waits would wait for each other.
  for (const { userId, templateId: saleId, grantNo } of held) {
    const place = [eq(coupons.saleId, saleId), eq(coupons.grantNo, grantNo)];
    await tx
      .update(coupons)
      .set({ state: sql`${coupons.state}` })
      .where(and(...place, eq(coupons.userId, userId)));
  }
}

/** Lets `ask` come to wait for what a transaction holds; then `meanwhile` happens in that transaction. */
export async function whileHeld<Result>(
  { db }: Shop,
  hold: (tx: Transaction) => Promise<void>,
  ask: () => Promise<Result>,
  meanwhile: (tx: Transaction) => Promise<unknown>,
): Promise<Result> {
  let asked: Promise<Result> | undefined;
  await db.transaction(async (tx) => {
    await hold(tx);
    asked = ask();
    await untilSomebodyWaits(db);
    await meanwhile(tx);
  });
  return asked as Promise<Result>;
}

const asDatabase = (tx: Transaction) => tx as unknown as Database;

/**
 * The moment between reading and changing, for tests: while `ask` waits for coupons that it has read, or for their
 * owner, `meanwhile` changes them, in a transaction that had all of them first.
 */
export const changeMeanwhile = <Result>(
  shop: Shop,
  held: readonly TestCoupon[],
  ask: () => Promise<Result>,
  meanwhile: (shop: Shop) => Promise<unknown>,
): Promise<Result> =>
  whileHeld(
    shop,
    async (tx) => {
      for (const { userId } of held) await makeOwner(asDatabase(tx), userId);
      await holdCoupons(tx, held);
    },
    ask,
    (tx) => meanwhile(shopOn(asDatabase(tx))),
  );

/** Makes a template of 500 off without limits, changed by `fields`; returns its id. */
export async function makeTemplate(db: Database, fields: Partial<Template> = {}): Promise<number> {
  const plain = { sellerId: 1, name: "five off", description: "", faceValue: 500, currency: "CNY" };
  const [result] = await db.insert(templates).values({ ...plain, ...fields });
  return result.insertId;
}

export interface TestCoupon {
  readonly id: string;
  readonly code: string;
  readonly userId: number;
  readonly templateId: number;
  readonly grantNo: number;
}

interface CouponOptions {
  readonly userId?: number;
  readonly expiresInMs?: number;
}

const codeFor = (number: number): string => `TT${number.toString().padStart(18, "0")}`;

/** Gives a user a coupon of a template; `expiresInMs` from now by MySQL's clock. */
export async function makeCoupon(
  db: Database,
  templateId: number,
  { userId = freshNumber(), expiresInMs }: CouponOptions = {},
): Promise<TestCoupon> {
  const grantNo = freshNumber();
  const code = codeFor(grantNo);
  const inMs = (ms: number) => sql`UTC_TIMESTAMP(3) + INTERVAL ${ms * 1_000} MICROSECOND`;
  await db.insert(coupons).values({
    ...{ code, userId, saleId: templateId, grantNo, templateId, grantedAt: inMs(0) },
    expiresAt: expiresInMs === undefined ? null : inMs(expiresInMs),
  });
  return { id: `${templateId}-${grantNo}`, code, userId, templateId, grantNo };
}

/** Gives as many coupons, all to one user or each to another; no more at a time than the pool lets in. */
export const makeCoupons = (
  db: Database,
  templateId: number,
  count: number,
  options: { userId?: number } = {},
): Promise<TestCoupon[]> =>
  inParallel(Array.from({ length: count }), 8, () => makeCoupon(db, templateId, options));

type Request = [shop: Shop, wish: Wish, orderSn: string, ...held: readonly TestCoupon[]];

const askAs = (byService: boolean, [shop, wish, orderSn, ...held]: Request): Promise<Outcome> => {
  const userId = held[0]?.userId ?? 0;
  const wishes = new Map(held.map(({ code }) => [code, wish]));
  const actor = byService ? "key:1" : `user:${userId}`;
  return shop.coupons.change({ userId, actor, byService }, orderSn, wishes);
};

/** Gives an order its wish for coupons of one user, who asks for it. */
export const ask = (...request: Request): Promise<Outcome> => askAs(false, request);
/** The same, and a service asks for it. */
export const askAsService = (...request: Request): Promise<Outcome> => askAs(true, request);

/** So many requests, all at once, in turn on one process and the other; what became of each. */
export const askAll = (
  shops: readonly [Shop, Shop],
  count: number,
  request: (index: number) => [wish: Wish, orderSn: string, ...held: TestCoupon[]],
): Promise<string[]> =>
  Promise.all(
    Array.from({ length: count }, async (_, index) =>
      word(await ask(shops[index % 2] as Shop, ...request(index))),
    ),
  );

export const LOCK: Wish = { action: "lock", ttlSeconds: 900 };
export const UNLOCK: Wish = { action: "unlock" };
export const REVERT: Wish = { action: "revert" };
export const use = (discount: number, original = 10_000): Wish => ({
  action: "use",
  amounts: { original, discount, currency: "CNY" },
});

/** "done", "repeated" where nothing changed, or why not. */
export const word = (outcome: Outcome): string => {
  if (outcome.kind === "refused") return outcome.refusal.kind;
  return outcome.kind === "done" && !outcome.changed ? "repeated" : outcome.kind;
};

/** A shop of its own for a test file, with a template without limits, and what tests ask of it most. */
export interface OwnShop extends Shop {
  readonly plain: number;
  /** Makes a coupon, of `plain` unless told otherwise. */
  make(options?: CouponOptions, templateId?: number): Promise<TestCoupon>;
  /** The word for what becomes of a wish. */
  asked(wish: Wish, orderSn: string, ...held: readonly TestCoupon[]): Promise<string>;
}

export async function openOwnShop(): Promise<OwnShop> {
  const shop = openShop((await freshDatabase()).url);
  const plain = await makeTemplate(shop.db);
  return {
    ...shop,
    plain,
    make: (options, templateId = plain) => makeCoupon(shop.db, templateId, options),
    asked: async (...request) => word(await ask(shop, ...request)),
  };
}

export const rowOf = async (db: Database, { id }: TestCoupon) => {
  const [row] = await db.select().from(coupons).where(eq(coupons.id, id));
  if (!row) throw new Error(`there is no coupon ${id}`);
  return row;
};

/** Lets the time of a lock be over, as if it had been taken long ago. */
export const letLockRunOut = (db: Database, { id }: TestCoupon) =>
  db
    .update(coupons)
    .set({ lockedUntil: sql`UTC_TIMESTAMP(3) - INTERVAL 1 SECOND` })
    .where(eq(coupons.id, id));

/** Lets a coupon's time be over. */
export const letExpire = (db: Database, { id }: TestCoupon) =>
  db
    .update(coupons)
    .set({ expiresAt: sql`UTC_TIMESTAMP(3) - INTERVAL 1 SECOND` })
    .where(eq(coupons.id, id));

const linesOf = (db: Database, { id }: TestCoupon) =>
  db
    .select()
    .from(couponUsageLogs)
    .where(eq(couponUsageLogs.couponId, id))
    .orderBy(couponUsageLogs.id);

/** What the lines of a coupon's history say that was taken off, oldest first; those that say nothing are left out. */
export const discountsOf = async (db: Database, coupon: TestCoupon): Promise<number[]> =>
  (await linesOf(db, coupon)).flatMap(({ discountAmount }) => discountAmount ?? []);

/** A coupon's history, oldest first: "lock order-1". */
export async function historyOf(db: Database, coupon: TestCoupon): Promise<string[]> {
  const lines = await linesOf(db, coupon);
  return lines.map(({ action, orderSn }) => (orderSn === null ? action : `${action} ${orderSn}`));
}

/** What a history that is right leads to; throws where a line does not follow from the one before. */
function replay(history: readonly string[]): { state: string; orderSn: string | null } {
  let at: { state: string; orderSn: string | null } = { state: "unused", orderSn: null };
  for (const line of history) {
    const [action = "", orderSn = null] = line.split(" ");
    const from: Record<string, string[]> = {
      ...{ lock: ["unused"], use: ["unused", "locked"], expire: ["unused"] },
      ...{ confirm: ["locked", "used"], unlock: ["locked"], lapse: ["locked"], revert: ["used"] },
    };
    const follows = from[action]?.includes(at.state);
    if (!follows || (at.orderSn !== null && at.orderSn !== orderSn))
      throw new Error(`"${line}" cannot follow ${JSON.stringify(at)}: ${history.join(", ")}`);
    const to =
      { lock: "locked", confirm: at.state, use: "used", expire: "expired" }[action] ?? "unused";
    at = { state: to, orderSn: to === "locked" || to === "used" ? orderSn : null };
  }
  return at;
}

/** What is set aside of a template's budget, and what is spent. */
export async function budgetOf(db: Database, templateId: number) {
  const [row] = await db.select().from(templates).where(eq(templates.id, templateId));
  return [row?.budgetReserved, row?.budgetSpent];
}

/** Throws unless the history of each coupon leads to its state, and the counters of the template are their sums. */
export async function assertConsistent(db: Database, templateId: number): Promise<void> {
  const rows = await db.select().from(coupons).where(eq(coupons.templateId, templateId));
  const held = new Map<number, number>();
  let [reserved, spent] = [0, 0];
  for (const row of rows) {
    const { state, orderSn } = replay(await historyOf(db, row));
    if (state !== row.state || orderSn !== row.orderSn)
      throw new Error(`the history of ${row.id} says ${state} ${orderSn}, its row ${row.state}`);
    if (state === "locked" || state === "used") {
      held.set(row.userId, (held.get(row.userId) ?? 0) + 1);
    }
    if (state === "locked") reserved += row.reserved;
    if (state === "used") spent += row.reserved;
  }
  const counted = await budgetOf(db, templateId);
  if (counted[0] !== reserved || counted[1] !== spent)
    throw new Error(`counted are ${counted.join(" and ")}, but held ${reserved} and ${spent}`);
  const users = await db
    .select()
    .from(templateUsers)
    .where(eq(templateUsers.templateId, templateId));
  for (const { userId, held: count } of users) {
    if (count !== (held.get(userId) ?? 0)) throw new Error(`user ${userId} is counted ${count}`);
    held.delete(userId);
  }
  if (held.size > 0) throw new Error(`not counted at all: ${[...held.keys()].join(", ")}`);
}
