// Making sales of /v1, and finding them.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { startApi, type TestApi } from "./harness/api.ts";
import { freshName } from "./harness/http.ts";
import { inMs, makeSale, mint, newTemplate, type Someone, salesOf } from "./harness/sellers.ts";
import { startStores, stopEverything } from "./harness/servers.ts";
import { until } from "./harness/until.ts";
import { v1 } from "./harness/v1.ts";

let api: TestApi;
let seller: Someone;
let other: Someone;

beforeAll(async () => {
  const { settings } = await startStores({ RATE_LIMITS: "off" });
  api = await startApi(settings);
  [seller, other] = [await mint("seller"), await mint("seller")];
});
afterAll(stopEverything);

const HOUR = 3_600_000;
const { call, of, sale, sell } = salesOf(() => ({ url: api.url, seller }));

describe("making a sale", () => {
  test("shows it with live numbers, to everybody, at once", async () => {
    const templateId = await newTemplate(api.url, seller);
    const name = freshName("sale");
    const body = { templateId, name, total: 10, userLimit: 2, closesAt: inMs(HOUR) };
    const made = await call("POST /v1/sales", seller, body);
    expect(made.status).toBe(201);
    expect(made.headers.get("location")).toBe(`/v1/sales/${made.body.id}`);
    const time = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    expect(made.body).toEqual({
      ...{ ...body, id: made.body.id, sellerId: seller.id, state: "open" },
      ...{ left: 10, granted: 0, returned: 0, grabsPerSecond: null, opensAt: null },
      ...{ createdAt: time, asOf: time, live: true },
    });
    const shown = await call(`GET /v1/sales/${made.body.id}`, undefined);
    expect(shown.body).toEqual({ ...made.body, asOf: time });
  });

  test.each([
    ["no units", { total: 0 }, "/total"],
    ["too many units", { total: 10_000_001 }, "/total"],
    ["a limit above a hundred", { userLimit: 101 }, "/userLimit"],
    ["an end before the opening", { opensAt: inMs(9e6), closesAt: inMs(8e6) }, "/closesAt"],
    ["a name that ends a path", { name: ".." }, "/name"],
    ["somebody's template", { templateId: 999_999 }, "/templateId"],
    ["a field that there is not", { stock: 5 }, "/stock"],
    ["a time without a zone", { opensAt: "2027-01-01T20:00:00" }, "/opensAt"],
  ])("refuses %s", async (_, fields, pointer) => {
    const templateId = await newTemplate(api.url, seller);
    const body = { templateId, name: freshName("sale"), total: 10, ...fields };
    const { status, body: problem } = await call("POST /v1/sales", seller, body);
    expect([status, problem.errors?.[0]?.pointer]).toEqual([422, pointer]);
  });

  test("names a wrong end and a template that there is not together, as a change does", async () => {
    const wrong = { templateId: 999_999, opensAt: inMs(9e6), closesAt: inMs(8e6) };
    const body = { name: freshName("sale"), total: 10, ...wrong };
    const made = await call("POST /v1/sales", seller, body);
    const changed = await of(await sale({ opensAt: inMs(7e6) }), "PATCH ", wrong);
    for (const { status, body: problem } of [made, changed]) {
      const pointers = problem.errors?.map(({ pointer }: { pointer: string }) => pointer);
      expect([status, pointers]).toEqual([422, ["/closesAt", "/templateId"]]);
    }
  });

  test("refuses a template that is a draft, disabled, or another's", async () => {
    const make = (templateId: number, who = seller) =>
      call("POST /v1/sales", who, { templateId, name: freshName("sale"), total: 1 });
    const draft = await newTemplate(api.url, seller, {}, { published: false });
    expect((await make(draft)).body.code).toBe("template_not_published");
    const gone = await newTemplate(api.url, seller);
    await call(`POST /v1/templates/${gone}/disable`, seller);
    expect((await make(gone)).body.code).toBe("template_not_published");
    const theirs = await newTemplate(api.url, other);
    expect((await make(theirs)).status).toBe(422);
  });

  test("refuses a name that the seller has, not one that another has", async () => {
    const name = freshName("sale");
    await sale({ name });
    const templateId = await newTemplate(api.url, seller);
    const again = await call("POST /v1/sales", seller, { templateId, name, total: 1 });
    expect([again.status, again.body.code]).toEqual([409, "name_taken"]);
    expect(await makeSale(api.url, other, { name })).toBeGreaterThan(0);
  });

  test("twice with one key makes one", async () => {
    const templateId = await newTemplate(api.url, seller);
    const body = { templateId, name: freshName("sale"), total: 1 };
    const make = () => call("POST /v1/sales", seller, body, { key: "make-once" });
    const [one, two] = [await make(), await make()];
    expect([one.status, two.status, two.body]).toEqual([201, 201, one.body]);
  });

  test("of a template with a total count: all its sales together stay within it, also at once", async () => {
    const templateId = await newTemplate(api.url, seller, { totalCount: 100 });
    const make = (total: number) =>
      call("POST /v1/sales", seller, { templateId, name: freshName("sale"), total });
    const made = await Promise.all(Array.from({ length: 8 }, () => make(30)));
    const statuses = made.map(({ status }) => status).toSorted((one, other) => one - other);
    expect(statuses).toEqual([201, 201, 201, ...Array(5).fill(409)]);
    const full = await make(11);
    expect([full.body.code, full.body.left]).toEqual(["template_count_exceeded", 10]);
    const first = made.find(({ status }) => status === 201)?.body.id;
    const units = { units: 11, reason: "more" };
    expect((await of(first, "POST /restock", units)).body.code).toBe("template_count_exceeded");
    expect((await of(first, "PATCH ", { total: 41 })).body.code).toBe("template_count_exceeded");
    expect((await of(first, "PATCH ", { total: 40 })).status).toBe(200);
  });
});

describe("the document", () => {
  test("says of the making of a sale what it refuses, and no more", async () => {
    const { body } = await call("GET /openapi.json", undefined);
    const { responses, tags } = body.paths["/v1/sales"].post;
    expect(Object.keys(responses).toSorted()).toEqual([
      ...["201", "400", "401", "403", "409", "413", "415", "422", "503"],
    ]);
    expect(tags).toEqual(["sales"]);
    const { description } = responses[409];
    for (const code of ["name-taken", "template-not-published", "template-count-exceeded"])
      expect(description).toContain(code);
  });

  test("lists the currencies, which are those that are taken", async () => {
    const { body } = await call("GET /openapi.json", undefined);
    const { Currency, NewTemplate } = body.components.schemas;
    expect(JSON.stringify(NewTemplate.properties.currency)).toContain("schemas/Currency");
    expect(Currency.enum).toContain("CNY");
    const make = (currency: string) =>
      call("POST /v1/templates", seller, {
        ...{ name: freshName("template"), type: "amount_off", faceValue: 5, currency },
      });
    expect((await make(Currency.enum.at(-1))).status).toBe(201);
    for (const other of ["ZZZ", "cny", "CNYY", ""]) {
      expect(Currency.enum).not.toContain(other);
      const { status, body: problem } = await make(other);
      expect([status, problem.errors[0].pointer]).toEqual([422, "/currency"]);
    }
  });
});

describe("the list", () => {
  test("finds sales by state, and shows what moves as it is in Redis", async () => {
    const one = await mint("seller");
    const make = (fields: object) => makeSale(api.url, one, fields);
    const upcoming = await make({ opensAt: inMs(HOUR) });
    const open = await make({});
    const paused = await make({});
    const ended = await make({ closesAt: inMs(HOUR) });
    await v1(api.url, `POST /v1/sales/${paused}/pause`, { token: one.token });
    const closesAt = { closesAt: inMs(-1_000) };
    await v1(api.url, `PATCH /v1/sales/${ended}`, { token: one.token, body: closesAt });
    await sell(open, 3);
    for (const [state, id] of Object.entries({ upcoming, open, paused, ended })) {
      await until(`sale ${id} to be ${state}`, async () => {
        const path = `GET /v1/sales?sellerId=${one.id}&state=${state}`;
        const { items } = (await call(path, undefined)).body;
        return items.length === 1 && items[0].id === id && items[0].state === state;
      });
    }
    await until("numbers of the last second", async () => {
      const { items } = (await call(`GET /v1/sales?sellerId=${one.id}`, undefined)).body;
      const [, , found] = items;
      return found.id === open && found.granted === 3 && found.left === 7 && found.live;
    });
  });

  test("goes page by page, newest first", async () => {
    const one = await mint("seller");
    const ids: number[] = [];
    for (let i = 0; i < 3; i += 1) ids.unshift(await makeSale(api.url, one));
    const first = (await call(`GET /v1/sales?sellerId=${one.id}&limit=2`, undefined)).body;
    const path = `GET /v1/sales?sellerId=${one.id}&limit=2&cursor=${first.nextCursor}`;
    const second = (await call(path, undefined)).body;
    const all = [...first.items, ...second.items].map(({ id }: { id: number }) => id);
    expect([all, second.nextCursor]).toEqual([ids, null]);
  });
});
