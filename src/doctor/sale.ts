// One sale, as its seller means it: stock, window and limit that make sense, and Redis ready for it.

import { eq } from "drizzle-orm";
import type { Database } from "../db/client.ts";
import type { Redis } from "../redis/client.ts";
import { saleKeys } from "../redis/keys.ts";
import type { SaleRow } from "../sales/stored.ts";
import { sales } from "../sales/table.ts";
import { users } from "../users/table.ts";
import { type Check, failure, none, ok, warning } from "./check.ts";
import { judgeMemory, memoryOf } from "./memory.ts";

const DAY_MS = 86_400_000;
/** A window that begins later or lasts longer than this is rather a slip than a plan. */
const FAR_DAYS = 366;

/** `nowMs` is the time by which the sale opens and closes. Throws when MySQL does not answer. */
export async function checkSale(
  saleId: number,
  { redis, db, nowMs }: { redis: Redis | undefined; db: Database; nowMs: number },
): Promise<Check[]> {
  const name = (what: string) => `sale ${saleId}: ${what}`;
  const [sale] = await db.select().from(sales).where(eq(sales.id, saleId));
  if (!sale) {
    return [
      failure(name("exists"), "there is none", "Look up its id: SELECT id, name FROM sales."),
    ];
  }
  const [seller] = await db.select().from(users).where(eq(users.id, sale.sellerId));
  const checks = [
    ok(name("exists"), sale.name),
    seller
      ? ok(name("seller"), seller.username)
      : failure(
          name("seller"),
          `there is no user ${sale.sellerId}`,
          "Nobody can name this sale in a request: register the seller, or set sales.seller_id.",
        ),
    judgeStock(name("stock"), sale),
    judgeLimit(name("limit"), sale),
    judgeWindow(name("window"), sale, nowMs),
    judgeState(name("state"), sale),
  ];
  if (redis) checks.push(...(await inRedis(redis, sale, name)));
  return checks;
}

async function inRedis(
  redis: Redis,
  sale: SaleRow,
  name: (what: string) => string,
): Promise<Check[]> {
  const isThere = (await redis.exists(saleKeys(sale.id).sale)) === 1;
  const grantsToCome = sale.total + sale.returned - sale.granted;
  return [
    none(name("in redis"), isThere ? [] : [sale.warmedAt ? "lost" : "not there yet"], {
      well: "yes",
      advice: sale.warmedAt
        ? "Redis has lost it; a running service recovers it at the first grab."
        : "A running service puts it there within a second of the gates being open.",
    }),
    judgeMemory(name("memory"), { ...(await memoryOf(redis)), grantsToCome }),
  ];
}

function judgeStock(name: string, sale: Pick<SaleRow, "total" | "granted" | "returned">): Check {
  const left = sale.total - (sale.granted - sale.returned);
  const found = `${left.toLocaleString("en")} of ${sale.total.toLocaleString("en")} left`;
  if (left > 0) return ok(name, found);
  return failure(
    name,
    found,
    "There is nothing to sell: everybody will be told that it is sold out.",
  );
}

function judgeLimit(name: string, sale: Pick<SaleRow, "total" | "userLimit">): Check {
  const found = `${sale.userLimit} for each user`;
  if (sale.userLimit < 1) return failure(name, found, "Nobody may win: make it 1 at least.");
  if (sale.userLimit > sale.total) {
    return failure(name, `${found}, of ${sale.total}`, "One user could take all: lower the limit.");
  }
  return ok(name, found);
}

function judgeState(name: string, { state }: Pick<SaleRow, "state">): Check {
  if (state === "open") return ok(name, state);
  return warning(name, state, "Every grab is refused until it is open.");
}

export function judgeWindow(
  name: string,
  { opensAt, closesAt }: Pick<SaleRow, "opensAt" | "closesAt">,
  nowMs: number,
): Check {
  const found = `${opensAt?.toISOString() ?? "from now on"} to ${closesAt?.toISOString() ?? "for ever"}`;
  const opensMs = opensAt?.getTime() ?? nowMs;
  if (closesAt && closesAt.getTime() <= opensMs && opensMs > nowMs) {
    return failure(name, found, "It closes before it opens: swap or mend the two times (UTC).");
  }
  if (closesAt && closesAt.getTime() <= nowMs) {
    return failure(name, found, "It is over: everybody will be told so. Times are UTC.");
  }
  if (opensMs - nowMs > FAR_DAYS * DAY_MS) {
    return warning(name, found, "It opens in more than a year. Is the year right?");
  }
  if (nowMs - opensMs > FAR_DAYS * DAY_MS) {
    return warning(name, found, "It opened more than a year ago. Is the year right?");
  }
  if (closesAt && closesAt.getTime() - opensMs > FAR_DAYS * DAY_MS) {
    return warning(name, found, "It lasts for more than a year. Is the year right?");
  }
  return ok(name, found);
}
