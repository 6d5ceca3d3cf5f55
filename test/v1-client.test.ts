// The typed client that comes with the API; what is wrong here does not compile.

import { afterAll, beforeAll, expect, test } from "bun:test";
import { hc } from "hono/client";
import type { V1 } from "../src/v1/app.ts";
import { startApi, type TestApi } from "./harness/api.ts";
import { mintCustomer } from "./harness/http.ts";
import { newSale } from "./harness/sales.ts";
import { startStores, stopEverything } from "./harness/servers.ts";
import { type Behind, behind } from "./harness/service.ts";

let api: TestApi;
let past: Behind;

beforeAll(async () => {
  const { settings } = await startStores();
  [api, past] = await Promise.all([startApi(settings), behind(settings)]);
});
afterAll(stopEverything);

test("hono/client knows the routes, what they take and what they give", async () => {
  const saleId = await newSale(past, 5);
  const { token } = await mintCustomer();
  const client = hc<V1>(api.url, { headers: { Authorization: `Bearer ${token}` } });
  const sale = client.v1.sales[":id"];
  const won = await sale.grab.$post({ param: { id: String(saleId) }, header: {} });
  if (!won.ok) throw new Error(await won.text());
  const { number, code }: { number: number; code: string | null } = await won.json();
  const own = await sale.grabs.me.$get({ param: { id: String(saleId) } });
  const { grabs } = await own.json();
  expect(grabs).toMatchObject([{ number, code }]);
});
