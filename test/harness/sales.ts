// Sales of every kind, put into MySQL as the service would; it warms them by itself.

import { saleKeys } from "../../src/redis/keys.ts";
import { saleNameKey } from "../../src/sales/facts.ts";
import { sales } from "../../src/sales/table.ts";
import { templates } from "../../src/templates/table.ts";
import { freshName } from "./http.ts";
import type { Behind } from "./service.ts";
import { until } from "./until.ts";

type Row = Partial<typeof sales.$inferInsert>;

/** Makes a sale of a coupon and waits until it is in Redis; gives its id. */
export async function newSale(
  { db, redis }: Behind,
  total: number,
  fields: Row = {},
): Promise<number> {
  const name = freshName("sale");
  const [template] = await db
    .insert(templates)
    .values({ sellerId: 1, name, description: "", faceValue: 500 })
    .$returningId();
  const templateId = template?.id ?? 0;
  const row = { sellerId: 1, templateId, name, nameKey: saleNameKey(name), total, ...fields };
  const [sale] = await db.insert(sales).values(row).$returningId();
  const id = sale?.id ?? 0;
  await until("the sale to be warm", async () => (await redis.exists(saleKeys(id).sale)) === 1);
  return id;
}
