import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { startApi, type TestApi } from "./harness/api.ts";
import { inMs, mint, newTemplate, type Someone } from "./harness/sellers.ts";
import { startStores, stopEverything } from "./harness/servers.ts";
import { v1 } from "./harness/v1.ts";

let api: TestApi;
let seller: Someone;
let other: Someone;
let admin: Someone;

beforeAll(async () => {
  const { settings } = await startStores();
  api = await startApi(settings);
  [seller, other, admin] = [await mint("seller"), await mint("seller"), await mint("admin")];
});
afterAll(stopEverything);

const call = (what: string, who: Someone | undefined, body?: object, rest: object = {}) =>
  v1(api.url, what, { token: who?.token, ...(body && { body }), ...rest });
const make = (body: object, who = seller, rest: object = {}) =>
  call("POST /v1/templates", who, body, rest);
const patch = (id: number, body: object, rest: object = {}) =>
  call(`PATCH /v1/templates/${id}`, seller, body, rest);
const pointers = (body: { errors?: { pointer: string }[] }) =>
  body.errors?.map(({ pointer }) => pointer);

const off = { name: "five off", type: "amount_off", faceValue: 500, currency: "CNY" };

describe("making a template", () => {
  test("gives a draft with everything that was said, and defaults for the rest", async () => {
    const { status, headers, body } = await make({ ...off, minimumSpend: 2_000, goods: ["a:1"] });
    expect([status, headers.get("etag")]).toEqual([201, '"1"']);
    expect(headers.get("location")).toBe(`/v1/templates/${body.id}`);
    expect(body).toEqual({
      ...{ ...off, id: body.id, sellerId: seller.id, description: "", basisPoints: null },
      ...{ discountMax: null, minimumSpend: 2_000, goods: ["a:1"], categories: [] },
      ...{ excludedGoods: [], excludedCategories: [], userLimit: null, totalCount: null },
      ...{ budget: null, stacking: "free", stackingGroup: null, validity: null },
      ...{ state: "draft", version: 1, createdAt: expect.any(String), updatedAt: null },
    });
    expect((await call(`GET /v1/templates/${body.id}`, seller)).body).toEqual(body);
  });

  const percent = { name: "a fifth", type: "percent_off", basisPoints: 2_000, currency: "CNY" };
  const shipping = { name: "shipping", type: "free_shipping", currency: "CNY" };

  test.each([
    ["a share of the price, with a cap and a budget", { ...percent, discountMax: 5, budget: 50 }],
    ["a share without a cap", percent],
    ["the shipping", { ...shipping, discountMax: 900 }],
    ["one of a group", { ...off, stacking: "group", stackingGroup: "spring" }],
    ["days", { ...off, validity: { days: 30 } }],
    ["an end only", { ...off, validity: { from: null, until: inMs(9e6) } }],
  ])("knows %s", async (_, body) => {
    const made = await make(body);
    expect(made.status).toBe(201);
    expect(made.body).toMatchObject(body);
  });

  test.each([
    ["amount_off without a value", { ...off, faceValue: null }, ["/faceValue"]],
    ["amount_off with a share", { ...off, basisPoints: 100 }, ["/basisPoints"]],
    ["a share without basis points", { ...percent, basisPoints: null }, ["/basisPoints"]],
    ["a share of more than all", { ...percent, basisPoints: 10_001 }, ["/basisPoints"]],
    ["a budget without a cap", { ...percent, budget: 50 }, ["/discountMax"]],
    ["a budget below one coupon", { ...off, budget: 499 }, ["/budget"]],
    ["a group without a name", { ...off, stacking: "group" }, ["/stackingGroup"]],
    ["a name of a group without one", { ...off, stackingGroup: "x" }, ["/stackingGroup"]],
    ["a field that there is not", { ...off, faceValu: 5 }, ["/faceValu"]],
    ["an id with a space", { ...off, goods: ["a", "b c"] }, ["/goods/1"]],
    ["a control character", { ...off, name: "a\u0000b" }, ["/name"]],
    ["a currency in words", { ...off, currency: "yuan" }, ["/currency"]],
    [
      "an end before the beginning",
      { ...off, validity: { from: inMs(9e6), until: inMs(8e6) } },
      ["/validity/until"],
    ],
  ])("refuses %s and names the field", async (_, body, fields) => {
    const { status, body: problem } = await make(body);
    expect([status, pointers(problem)]).toEqual([422, fields]);
  });

  test("refuses a list of more than 200 ids", async () => {
    const goods = Array.from({ length: 201 }, (_, i) => `g${i}`);
    expect(pointers((await make({ ...off, goods })).body)).toEqual(["/goods"]);
  });

  test("twice with one key makes one", async () => {
    const twice = [
      await make(off, seller, { key: "k-1" }),
      await make(off, seller, { key: "k-1" }),
    ];
    expect(twice.map(({ status }) => status)).toEqual([201, 201]);
    expect(twice[1]?.body).toEqual(twice[0]?.body);
  });

  test("is for sellers and admins", async () => {
    const customer = await mint("customer");
    expect((await make(off, customer)).status).toBe(403);
    expect((await call("POST /v1/templates", undefined, off)).status).toBe(401);
  });
});

describe("a template of somebody else", () => {
  test("cannot be seen, changed, published or listed, but by an admin", async () => {
    const id = await newTemplate(api.url, seller, {}, { published: false });
    expect((await call(`GET /v1/templates/${id}`, other)).status).toBe(404);
    expect((await call(`PATCH /v1/templates/${id}`, other, { name: "mine" })).status).toBe(404);
    expect((await call(`POST /v1/templates/${id}/publish`, other)).status).toBe(404);
    expect((await call("GET /v1/templates", other)).body.items).toEqual([]);
    expect((await call(`PATCH /v1/templates/${id}`, admin, { name: "theirs" })).status).toBe(200);
    const all = await call("GET /v1/templates?limit=100", admin);
    expect(all.body.items.map((item: { id: number }) => item.id)).toContain(id);
  });
});

describe("the list", () => {
  test("goes page by page, newest first, by state", async () => {
    const one = await mint("seller");
    const ids: number[] = [];
    for (let i = 0; i < 3; i += 1) ids.push(await newTemplate(api.url, one));
    const draft = await newTemplate(api.url, one, {}, { published: false });
    const first = await call("GET /v1/templates?state=published&limit=2", one);
    const idsOf = ({ items }: { items: { id: number }[] }) => items.map(({ id }) => id);
    expect(idsOf(first.body)).toEqual([ids[2] ?? 0, ids[1] ?? 0]);
    const path = `GET /v1/templates?state=published&limit=2&cursor=${first.body.nextCursor}`;
    const second = await call(path, one);
    expect([idsOf(second.body), second.body.nextCursor]).toEqual([[ids[0] ?? 0], null]);
    expect(idsOf((await call("GET /v1/templates?state=draft", one)).body)).toEqual([draft]);
  });

  test.each(["limit=0", "limit=101", "limit=x", "cursor=x", "state=sold", "page=2"])(
    "refuses %s",
    async (query) => {
      expect((await call(`GET /v1/templates?${query}`, seller)).status).toBe(422);
    },
  );
});

describe("a draft", () => {
  test("changes in everything, and the whole must still make sense", async () => {
    const id = await newTemplate(api.url, seller, {}, { published: false });
    const change = { type: "percent_off", faceValue: null, basisPoints: 500 };
    const { status, body } = await patch(id, change);
    expect([status, body.version]).toEqual([200, 2]);
    expect(body).toMatchObject(change);
    const wrong = await patch(id, { type: "amount_off" });
    expect([wrong.status, pointers(wrong.body)]).toEqual([422, ["/faceValue", "/basisPoints"]]);
  });

  test("is published, disabled, and never goes back", async () => {
    const id = await newTemplate(api.url, seller, {}, { published: false });
    const move = (action: string) => call(`POST /v1/templates/${id}/${action}`, seller);
    expect((await move("disable")).body.code).toBe("template_state");
    const published = await move("publish");
    expect([published.status, published.body.state]).toEqual([200, "published"]);
    expect((await move("publish")).body).toEqual(published.body);
    expect((await move("disable")).body.state).toBe("disabled");
    const back = await move("publish");
    expect([back.status, back.body.code, back.body.state]).toEqual([
      409,
      "template_state",
      "disabled",
    ]);
  });
});

describe("a published template", () => {
  const limited = {
    ...{ userLimit: 2, totalCount: 100, budget: 1_000 },
    validity: { from: inMs(3e6), until: inMs(9e6) },
  };

  test.each([
    ["its name and description", { name: "renamed", description: "new words" }],
    ["its limits upwards", { userLimit: 3, totalCount: 101, budget: 1_001 }],
    ["its limits away", { userLimit: null, totalCount: null, budget: null }],
    ["its validity to more time", { validity: { from: inMs(2e6), until: inMs(10e6) } }],
    ["its validity to for ever", { validity: null }],
    ["nothing", { faceValue: 500, goods: [] }],
  ])("changes %s", async (_, change) => {
    const id = await newTemplate(api.url, seller, limited);
    const { status, body } = await patch(id, change);
    expect(status).toBe(200);
    expect(body).toMatchObject(change);
  });

  test.each([
    ["what it takes off", { faceValue: 499 }, "/faceValue"],
    ["more than it took off", { faceValue: 501 }, "/faceValue"],
    ["what must be spent", { minimumSpend: 1 }, "/minimumSpend"],
    ["what it is good for", { goods: ["a"] }, "/goods"],
    ["a limit downwards", { totalCount: 99 }, "/totalCount"],
    ["the budget downwards", { budget: 999 }, "/budget"],
    ["the limit of a user downwards", { userLimit: 1 }, "/userLimit"],
    ["its end to an earlier one", { validity: { from: null, until: inMs(8e6) } }, "/validity"],
    ["its dates to days", { validity: { days: 3_000 } }, "/validity"],
    ["the currency", { currency: "EUR" }, "/currency"],
    ["how it goes with others", { stacking: "exclusive" }, "/stacking"],
  ])("does not change %s, and says so", async (_, change, pointer) => {
    const id = await newTemplate(api.url, seller, limited);
    const { status, body } = await patch(id, { ...change, name: "renamed" });
    expect([status, body.code, pointers(body)]).toEqual([409, "template_published", [pointer]]);
    expect((await call(`GET /v1/templates/${id}`, seller)).body.name).not.toBe("renamed");
  });
});

test("a change that names an older version is refused, and of many at once one is made", async () => {
  const id = await newTemplate(api.url, seller, {}, { published: false });
  const headers = { "If-Match": '"1"' };
  const outcomes = await Promise.all(
    Array.from({ length: 8 }, (_, i) => patch(id, { name: `name ${i}` }, { headers })),
  );
  const statuses = outcomes.map(({ status }) => status).toSorted((one, other) => one - other);
  expect(statuses).toEqual([200, ...Array(7).fill(412)]);
  const late = outcomes.find(({ status }) => status === 412);
  expect([late?.body.code, late?.body.version]).toEqual(["version_mismatch", 2]);
  expect((await patch(id, { name: "any" }, { headers: { "If-Match": "*" } })).status).toBe(200);
  expect((await patch(id, { name: "x" }, { headers: { "If-Match": "rubbish" } })).status).toBe(412);
});
