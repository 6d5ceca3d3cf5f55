// Hosts of the API whose clocks are ten minutes off. Windows of sales are Redis's matter, leases MySQL's; only tokens
// are judged by the host's own clock.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { eq } from "drizzle-orm";
import { createTokens } from "../../src/auth/token.ts";
import { limits } from "../../src/limits.ts";
import { saleKeys } from "../../src/redis/keys.ts";
import { saleNameKey } from "../../src/sales/facts.ts";
import { sales } from "../../src/sales/table.ts";
import { startApi, TEST_SECRET, type TestApi } from "../harness/api.ts";
import { clockOff, mayMoveClockOf } from "../harness/faketime.ts";
import {
  freshName,
  grab,
  newCoupon,
  newUser,
  type TestCoupon,
  type TestUser,
  untilWell,
} from "../harness/http.ts";
import { startStores, stopEverything } from "../harness/servers.ts";
import { type Behind, behind } from "../harness/service.ts";
import { type Customer, crowdAsks, untilBooksAgree } from "../harness/told.ts";
import { until } from "../harness/until.ts";

const MINUTE_MS = 60_000;
const OFF_SECONDS = 600;

describe.skipIf(!mayMoveClockOf(process.execPath))(
  "of three hosts one is ten minutes ahead and one ten minutes behind",
  () => {
    let apis: Record<"right" | "ahead" | "behind", TestApi>;
    let past: Behind;
    let seller: TestUser;

    beforeAll(async () => {
      const { settings } = await startStores({ RATE_LIMITS: "off" });
      const under = (seconds: number) => ({ under: clockOff(seconds) });
      const right = await startApi(settings);
      const [ahead, late] = await Promise.all([
        startApi(settings, under(OFF_SECONDS)),
        startApi(settings, under(-OFF_SECONDS)),
      ]);
      apis = { right, ahead, behind: late };
      past = await behind(settings);
      seller = await newUser(right.url, "seller");
    });
    afterAll(stopEverything);

    const everybody = () => Object.values(apis).map(({ url }) => url);

    let customers = 0;
    /** A customer whose token was issued so many minutes ago, by a clock that was right. */
    async function customerOf(minutesAgo: number): Promise<Customer> {
      customers += 1;
      const id = customers;
      const clock = { now: () => Date.now() - minutesAgo * MINUTE_MS };
      const username = `customer-${id}`;
      const tokens = createTokens(TEST_SECRET, clock, () => false);
      return { id, username, token: await tokens.issue({ id, username, kind: "customer" }) };
    }

    /** Customers whose tokens all three hosts take. */
    const crowdOf = (count: number) =>
      Promise.all(Array.from({ length: count }, () => customerOf(20)));

    /** A sale that opens and closes so many minutes from now. */
    async function saleFrom(opens: number, closes: number): Promise<TestCoupon> {
      const model = await newCoupon(apis.right.url, seller, 10);
      const [row] = await past.db.select().from(sales).where(eq(sales.name, model.name));
      if (!row) throw new Error("no model");
      const name = freshName("window");
      await past.db.insert(sales).values({
        ...{ sellerId: row.sellerId, templateId: row.templateId, name, nameKey: saleNameKey(name) },
        ...{ total: 10, opensAt: new Date(Date.now() + opens * MINUTE_MS) },
        closesAt: new Date(Date.now() + closes * MINUTE_MS),
      });
      const { sale } = saleKeys(await past.saleIdOf(name));
      await until("a warm sale", async () => (await past.redis.exists(sale)) === 1);
      return { name, path: model.path.replace(model.name, name) };
    }

    test("a sale's window is the same on all of them", async () => {
      const windows: [outcome: string, opens: number, closes: number][] = [
        ["won", -5, 5],
        ["not_started", 5, 60],
        ["ended", -60, -5],
      ];
      for (const [outcome, opens, closes] of windows) {
        const coupon = await saleFrom(opens, closes);
        for (const url of everybody()) {
          const { token } = await customerOf(20);
          expect([opens, closes, await grab(url, coupon, token)]).toEqual([opens, closes, outcome]);
        }
      }
    });

    test("a crowd on all of them buys what there is, and all of it is recorded", async () => {
      const coupon = await newCoupon(apis.right.url, seller, 400);
      const told = await crowdAsks(everybody, coupon, await crowdOf(500));
      await untilBooksAgree(past, coupon, 400, told);
      for (const { url } of Object.values(apis)) {
        await untilWell(url);
      }
    });

    test("a token is judged by the host's own clock, and forgiven one minute", async () => {
      const coupon = await newCoupon(apis.right.url, seller, 100);
      const lifeMinutes = limits.accessTokenSeconds / 60;
      const outcomes = async (minutesAgo: number) => {
        const { token } = await customerOf(minutesAgo);
        const { right, ahead, behind: late } = apis;
        const answers: string[] = [];
        for (const { url } of [right, ahead, late]) answers.push(await grab(url, coupon, token));
        return answers;
      };
      // The one behind takes what is new for one from the future; the one ahead ends it early, the one behind late.
      expect(await outcomes(0)).toEqual(["won", "repeated", "401"]);
      expect(await outcomes(11)).toEqual(["won", "repeated", "repeated"]);
      expect(await outcomes(lifeMinutes - 5)).toEqual(["won", "401", "repeated"]);
      expect(await outcomes(lifeMinutes + 5)).toEqual(["401", "401", "won"]);
    });
  },
);
