// Fills a system: the seller, coupons made through the API, and whole sales with winners that are loaded into
// Redis and MySQL directly, with the same contents in both, while no service runs on them.

import { sql } from "drizzle-orm";
import { createCouponCodes } from "../src/coupons/code.ts";
import type { Database } from "../src/db/client.ts";
import { saleKeys } from "../src/redis/keys.ts";
import { saleNameKey } from "../src/sales/facts.ts";
import { saleFields } from "../src/sales/stored.ts";
import { sales } from "../src/sales/table.ts";
import { templates } from "../src/templates/table.ts";
import { nameKeyOf } from "../src/users/name.ts";
import { users } from "../src/users/table.ts";
import { userIdOf } from "./requests.ts";
import type { System } from "./system.ts";

const ROWS_PER_STATEMENT = 20_000;
const SALES_PER_STATEMENT = 500;
/** More at once would take Redis longer than its client waits. */
const WINNERS_PER_TRIP = 20_000;

/** A coupon's name; all have one length. */
export const couponName = (number: number): string => `sale-${String(number).padStart(6, "0")}`;

/** Inserts a user who may sell. The password cannot be used. */
export async function addSeller(db: Database, username: string) {
  const row = { username, nameKey: nameKeyOf(username), kind: "seller", passwordHash: "!" };
  const [{ insertId }] = await db.insert(users).values(row);
  return { id: insertId, username, kind: "seller" as const };
}

type Seller = Awaited<ReturnType<typeof addSeller>>;

/** Makes a coupon through the API and returns the id of its sale. */
export async function makeCoupon(
  system: System,
  { name, amount, seller = system.seller }: { name: string; amount: number; seller?: Seller },
): Promise<number> {
  const response = await fetch(`${system.url()}/api/users/${seller.username}/coupons`, {
    method: "POST",
    headers: { Authorization: system.bench.mint.token(seller), "Content-Type": "application/json" },
    body: JSON.stringify({ name, amount, stock: 500, description: "Opens with the doors" }),
  });
  if (response.status !== 201) {
    throw new Error(`making ${name}: ${response.status} ${await response.text()}`);
  }
  const [row] = await system.database.db
    .select({ id: sales.id })
    .from(sales)
    .where(sql`${sales.sellerId} = ${seller.id} AND ${sales.nameKey} = ${saleNameKey(name)}`);
  if (!row) throw new Error(`${name} is not in MySQL`);
  return row.id;
}

export interface LoadedSale {
  readonly id: number;
  readonly total: number;
  /** The arrivals that have won, in the order of their numbers. */
  winner(number: number): number;
  readonly winners: number;
}

/** Loads sales as they stand long after their winners were recorded. The system's service must not run. */
export async function loadSales(system: System, loaded: readonly LoadedSale[]): Promise<void> {
  const { db } = system.database;
  const { seller } = system;
  const now = new Date();
  for (let from = 0; from < loaded.length; from += SALES_PER_STATEMENT) {
    const part = loaded.slice(from, from + SALES_PER_STATEMENT);
    const common = { sellerId: seller.id, createdAt: now };
    await db.insert(templates).values(
      part.map(({ id }) => ({
        ...{ ...common, id, name: couponName(id), description: "Loaded", faceValue: 500 },
      })),
    );
    await db.insert(sales).values(
      part.map(({ id, total, winners }) => ({
        ...{ ...common, id, templateId: id, name: couponName(id), total },
        ...{ nameKey: saleNameKey(couponName(id)), granted: winners, warmedAt: now },
      })),
    );
  }
  let rows: [number, number, number][] = [];
  for (const sale of loaded) {
    await loadRedis(system, sale, now);
    for (let number = 1; number <= sale.winners; number++) {
      rows.push([sale.id, number, userIdOf(sale.winner(number))]);
      if (rows.length === ROWS_PER_STATEMENT) {
        await insertGrants(system, rows, now);
        rows = [];
      }
    }
  }
  if (rows.length > 0) await insertGrants(system, rows, now);
}

async function loadRedis({ redis, seller }: System, sale: LoadedSale, now: Date): Promise<void> {
  const { id, total, winners } = sale;
  const keys = saleKeys(id);
  let pipeline = redis.pipeline();
  const send = async () => {
    for (const [error] of (await pipeline.exec()) ?? []) if (error) throw error;
    pipeline = redis.pipeline();
  };
  pipeline.hset(
    keys.sale,
    ...saleFields({
      ...{ id, total, granted: winners, returned: 0, userLimit: 1, state: "open" },
      ...{ sellerId: seller.id, templateId: id, name: couponName(id), nameKey: "" },
      ...{ opensAt: null, closesAt: null, warmedAt: now, createdAt: now },
      ...{ version: 0, grabsPerSecond: null, codeKey: "", changeId: null, requestKey: null },
    }),
  );
  let fields: (string | number)[] = [];
  for (let number = 1; number <= winners; number++) {
    fields.push(userIdOf(sale.winner(number)), number);
    if (fields.length === 1_000 || number === winners) {
      pipeline.hset(keys.winners, ...fields);
      fields = [];
      if (number % WINNERS_PER_TRIP === 0) await send();
    }
  }
  await send();
}

/** With their coupons: the audit beside the ledger pauses a sale that lacks them. */
async function insertGrants(
  { bench, database: { db } }: System,
  rows: readonly (readonly [number, number, number])[],
  now: Date,
): Promise<void> {
  const at = now.toISOString().slice(0, -1).replace("T", " ");
  await db.execute(sql`INSERT INTO grants (sale_id, grant_no, user_id, user_slot, epoch, granted_at)
    SELECT sale_id, grant_no, user_id, 1, 0, ${at} FROM JSON_TABLE(${JSON.stringify(rows)}, '$[*]' COLUMNS (
      sale_id BIGINT UNSIGNED PATH '$[0]', grant_no BIGINT UNSIGNED PATH '$[1]',
      user_id BIGINT UNSIGNED PATH '$[2]')) AS entry`);
  const codes = createCouponCodes([bench.codeSecret]);
  const coupons = rows.map((row) => [...row, codes.codeOf("", ...row)]);
  await db.execute(sql`INSERT INTO coupons (sale_id, grant_no, user_id, code, template_id, granted_at)
    SELECT sale_id, grant_no, user_id, code, sale_id, ${at}
    FROM JSON_TABLE(${JSON.stringify(coupons)}, '$[*]' COLUMNS (
      sale_id BIGINT UNSIGNED PATH '$[0]', grant_no BIGINT UNSIGNED PATH '$[1]',
      user_id BIGINT UNSIGNED PATH '$[2]', code VARCHAR(32) PATH '$[3]')) AS entry`);
}
