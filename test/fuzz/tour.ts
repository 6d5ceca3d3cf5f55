// What a shop and its customers do with the API in an ordinary day, so that there is something to name and each
// operation has a body that it takes. What the document does not have is left out.

import { until } from "../harness/until.ts";
import { type V1Answer, v1 } from "../harness/v1.ts";
import type { OpenApiDocument } from "./document.ts";
import type { Pool } from "./pool.ts";
import { type Asker, THROWAWAY } from "./request.ts";

interface Tour {
  readonly url: string;
  readonly askers: readonly Asker[];
  readonly pool: Pool;
}

interface Step {
  readonly as?: Asker | undefined;
  readonly params?: Record<string, string | number>;
  readonly body?: object;
  readonly key?: string;
}

type Ask = (operation: string, step?: Step) => Promise<V1Answer | undefined>;

/** Asks, and learns from the answer. Undefined where there is no such operation; throws when it is refused. */
async function asking({ url, pool }: Tour): Promise<Ask> {
  const { paths } = (await v1(url, "GET /openapi.json")).body as OpenApiDocument;
  return async (operation, { as, params = {}, body, key } = {}) => {
    const [method = "", path = ""] = operation.split(" ");
    if (!paths[path]?.[method.toLowerCase()]) return undefined;
    const target = path.replaceAll(/\{(\w+)\}/g, (_, name: string) => String(params[name]));
    const sending = { ...(body ? { body } : {}), ...(key ? { key } : {}), token: as?.token };
    const answer = await v1(url, `${method} ${target}`, sending);
    if (answer.status >= 300)
      throw new Error(`${method} ${target}: ${answer.status} ${JSON.stringify(answer.body)}`);
    if (body) pool.taken(operation, body);
    pool.learn(path, answer.body, as?.name ?? THROWAWAY);
    return answer;
  };
}

const TEMPLATES = [
  { name: "5 off", type: "amount_off", faceValue: 500, stacking: "free" },
  {
    ...{ name: "100 off 500", type: "amount_off", faceValue: 10_000, minimumSpend: 50_000 },
    ...{ goods: ["g-1", "g-2"], stacking: "group", stackingGroup: "spring" },
  },
  { name: "20 %", type: "percent_off", basisPoints: 2_000, discountMax: 5_000, userLimit: 100 },
  { name: "shipping", type: "free_shipping", discountMax: 1_000, validity: { days: 7 } },
];

/** Publishes templates and makes a sale of each; gives the ids of the sales. */
async function sell(ask: Ask, seller: Asker | undefined): Promise<number[]> {
  const ids: number[] = [];
  for (const [at, body] of TEMPLATES.entries()) {
    const template = (
      await ask("POST /v1/templates", { as: seller, body: { ...body, currency: "CNY" } })
    )?.body;
    if (template === undefined) return [];
    await ask("POST /v1/templates/{id}/publish", { as: seller, params: { id: template.id } });
    const sale = { templateId: template.id, name: `sale ${at}`, total: 5_000, userLimit: 20 };
    const made = await ask("POST /v1/sales", { as: seller, body: sale });
    if (made) ids.push(made.body.id);
  }
  const [id] = ids;
  if (id === undefined || !seller) return ids;
  const opensAt = new Date(Date.now() + 3_600_000).toISOString();
  const { templateId } = (await ask("GET /v1/sales/{id}", { params: { id } }))?.body ?? {};
  // Several: only such a sale can be deleted, and made again from the same body.
  for (const name of ["soon", "soon too", "later"]) {
    await ask("POST /v1/sales", { as: seller, body: { templateId, name, total: 10, opensAt } });
  }
  await ask("POST /v1/sales/{id}/restock", {
    ...{ as: seller, params: { id }, body: { units: 5, reason: "more came" } },
  });
  return ids;
}

/** The codes of the coupons that a customer wins, once MySQL has them. */
async function grab(ask: Ask, customer: Asker, sales: readonly number[]): Promise<string[]> {
  const codes: string[] = [];
  for (const id of sales) {
    const step = { as: customer, params: { id }, key: `${customer.name}-${id}`.replace(" ", "-") };
    const won = await until("a grab", () => ask("POST /v1/sales/{id}/grab", step));
    const own = { as: customer, params: { id } };
    await until("the coupon to be recorded", async () => {
      const answer = await ask("GET /v1/sales/{id}/grabs/me", own);
      return answer?.body.grabs.every((one: { recorded: boolean }) => one.recorded);
    });
    codes.push(won.body.code);
  }
  return codes;
}

async function redeem(ask: Ask, as: Asker, codes: readonly string[]): Promise<void> {
  const [code = "", second = ""] = codes;
  const orderSn = "order-1";
  const amounts = { original: 100_000, discount: 500, currency: "CNY" };
  const one = { as, params: { code } };
  await ask("POST /v1/coupons/{code}/lock", { ...one, body: { orderSn, ttlSeconds: 900 } });
  await ask("POST /v1/coupons/{code}/use", { ...one, body: { orderSn, amounts } });
  await ask("POST /v1/coupons/{code}/revert", { ...one, body: { orderSn } });
  await ask("POST /v1/coupons/{code}/unlock", { ...one, body: { orderSn } });
  const both = { codes: [code, second], orderSn };
  await ask("POST /v1/coupons/lock", { as, body: both });
  await ask("POST /v1/coupons/unlock", { as, body: both });
  await ask("POST /v1/coupons/use", { as, body: { orderSn, coupons: [{ code, amounts }] } });
  await ask("POST /v1/coupons/revert", { as, body: { codes: [code], orderSn } });
}

/** Users whose sessions the run may end. Their passwords stay, so that a body which logs one in goes on to do so. */
async function register(ask: Ask): Promise<void> {
  const password = "quite a long pass phrase";
  for (const [at, role] of ["customer", "seller", "customer"].entries()) {
    const body = { username: `throwaway-${at}`, password };
    await ask("POST /v1/auth/register", { body: { ...body, role } });
    const signedIn = (await ask("POST /v1/auth/login", { body }))?.body;
    if (signedIn === undefined) return;
    const as = { name: THROWAWAY, role, token: signedIn.accessToken };
    const change = { currentPassword: password, newPassword: password };
    await ask("POST /v1/auth/password", { as, body: change });
    for (let times = 0; times < 3; times += 1) await ask("POST /v1/auth/login", { body });
  }
}

/** The first day of a service that is to be fuzzed. Throws when any of it is refused. */
export async function tour(world: Tour): Promise<void> {
  const ask = await asking(world);
  await register(ask);
  const sales = await sell(
    ask,
    world.askers.find(({ role }) => role === "seller"),
  );
  for (const customer of world.askers.filter(({ role }) => role === "customer")) {
    const codes = await grab(ask, customer, sales);
    if (codes.length > 1) await redeem(ask, customer, codes);
  }
}
