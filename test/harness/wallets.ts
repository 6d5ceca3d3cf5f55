// What tests ask of wallets over HTTP.

import type { Database } from "../../src/db/client.ts";
import { makeCoupons, type TestCoupon } from "./coupons.ts";
import { mintCustomer } from "./http.ts";
import { type V1Answer, v1 } from "./v1.ts";

type Customer = Awaited<ReturnType<typeof mintCustomer>>;

/** What an order comes to before a coupon of 5.00 off, and that. */
export const AMOUNTS = { original: 12_000, discount: 500, currency: "CNY" };

/** "200", or the status of a refusal and its code. */
export const said = ({ status, body }: Pick<V1Answer, "status" | "body">): string =>
  status === 200 ? "200" : `${status} ${body.code}`;

/** The service, its database, and the template of the coupons that are made here. */
interface Where {
  readonly url: string;
  readonly db: Database;
  readonly templateId: number;
}

/** Who and where is asked for with each call. */
export function walletsOf(where: () => Where) {
  /** A new customer with so many coupons. */
  async function owned(
    count = 1,
    { db, templateId }: Pick<Where, "db" | "templateId"> = where(),
  ): Promise<{ user: Customer; held: TestCoupon[] }> {
    const user = await mintCustomer();
    return { user, held: await makeCoupons(db, templateId, count, { userId: user.id }) };
  }
  /** A POST about coupons: `post("lock", token, body)`. */
  const post = (path: string, token: string, body: object, key?: string): Promise<V1Answer> =>
    v1(where().url, `POST /v1/coupons/${path}`, { token, body, ...(key ? { key } : {}) });
  /** A page of the wallet. */
  const list = async (
    token: string,
    query = "",
    { url }: { url: string } = where(),
  ): Promise<V1Answer["body"]> => (await v1(url, `GET /v1/coupons${query}`, { token })).body;
  return { owned, post, list };
}
