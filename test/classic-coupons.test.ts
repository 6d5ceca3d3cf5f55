// Coupons of the classic API over HTTP: added, listed, grabbed, and what no route takes.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { startApi } from "./harness/api.ts";
import {
  call,
  freshName,
  grab,
  list,
  mintCustomer,
  newCoupon,
  newUser,
  type TestUser,
  tally,
} from "./harness/http.ts";
import { requestText, statusOf, talk } from "./harness/raw.ts";
import { startStores, stopEverything } from "./harness/servers.ts";

let url: string;
/** A process of the other dialect. */
let url200: string;
let seller: TestUser;

beforeAll(async () => {
  const { settings } = await startStores();
  ({ url } = await startApi(settings));
  ({ url: url200 } = await startApi({ ...settings, CLASSIC_GRAB_STATUS: "200" }));
  seller = await newUser(url, "seller");
});
afterAll(stopEverything);

const whole = { amount: 3, stock: 500, description: "five off" };
const add = (body: object | string, token = seller.token, owner = seller.username) =>
  call(`POST ${url}/api/users/${owner}/coupons`, { token, body });
const pageOf = (username: string, token: string, query = "") =>
  call(`GET ${url}/api/users/${username}/coupons${query}`, { token });

describe("a seller adds a coupon", () => {
  test("with keys in any case; both spellings of the kind may", async () => {
    const saler = await newUser(url, "saler");
    const body = { Name: freshName("Upper"), AMOUNT: 1, Stock: 0, extra: null };
    for (const { username, token } of [seller, saler]) {
      const answer = await add(body, token, username);
      expect([answer.status, answer.body]).toEqual([201, { errMsg: "" }]);
      expect(answer.headers.get("content-type")).toBe("application/json");
    }
  });

  test("once per name, also when two requests come at once", async () => {
    const body = { name: freshName("twice"), ...whole };
    const both = await Promise.all([add(body), add(body)]);
    expect(tally(both.map(({ status }) => `${status}`))).toEqual({ "201": 1, "400": 1 });
    const again = await add(body);
    expect([again.status, again.body]).toEqual([
      400,
      { errMsg: "Create failed. Maybe (username,coupon name) duplicates" },
    ]);
  });

  test("and is refused in the order of the originals: customer, JSON, other user", async () => {
    const customer = await newUser(url, "customer");
    const refusals: [object | string, string, string, number, string][] = [
      ["{", customer.token, seller.username, 401, "Only sellers can create coupons."],
      ["{", seller.token, "somebody", 400, "Only receive JSON format."],
      [{ amount: -1 }, seller.token, "somebody", 401, "Cannot create coupons for other users."],
    ];
    for (const [body, token, owner, status, errMsg] of refusals) {
      const answer = await add(body, token, owner);
      expect([answer.status, answer.body]).toEqual([status, { errMsg }]);
    }
  });

  test("only with integers: texts and floats are no JSON of this API", async () => {
    for (const amount of ["3", "inf", 1.5, true, [], {}]) {
      const answer = await add({ name: freshName("odd"), ...whole, amount });
      expect([amount, answer.status, answer.body]).toEqual([
        amount,
        400,
        { errMsg: "Only receive JSON format." },
      ]);
    }
    for (const amount of ["1e3", "1.0", "1e999"]) {
      const answer = await add(`{"name":"odd","amount":${amount},"stock":1}`);
      expect([amount, answer.status]).toEqual([amount, 400]);
    }
  });

  test("only within the bounds, which are themselves allowed", async () => {
    const cases: [object, number][] = [
      [{ amount: 0 }, 400],
      [{ amount: -1 }, 400],
      [{ amount: 10_000_001 }, 400],
      [{ amount: Number.MAX_SAFE_INTEGER }, 400],
      [{ amount: 10_000_000 }, 201],
      [{ stock: -1 }, 400],
      [{ stock: 1_000_000_001 }, 400],
      [{ stock: 1_000_000_000 }, 201],
      [{ stock: 0 }, 201],
      [{ name: "" }, 400],
      [{ name: "n".repeat(61) }, 400],
      [{ name: "抢".repeat(60) }, 201],
      [{ description: "d".repeat(61) }, 400],
      [{ description: "抢".repeat(60) }, 201],
      [{ description: "" }, 201],
    ];
    for (const [change, status] of cases) {
      const answer = await add({ name: freshName("bound"), ...whole, ...change });
      expect([change, answer.status]).toEqual([change, status]);
    }
  });
});

describe("a grab", () => {
  test("is won once: 201 in one dialect, 200 in the other, then 204 with the reason", async () => {
    const coupon = await newCoupon(url, seller, 2);
    for (const [on, won] of [
      [url, 201],
      [url200, 200],
    ] as const) {
      const { token } = await mintCustomer();
      const first = await call(`PATCH ${on}${coupon.path}`, { token });
      expect([first.status, first.body]).toEqual([won, { errMsg: "" }]);
      for (const again of [url, url200]) {
        const second = await call(`PATCH ${again}${coupon.path}`, { token });
        expect([second.status, second.text]).toEqual([204, ""]);
        expect(second.headers.get("Grab-Result")).toBe("repeated");
      }
    }
    const late = await mintCustomer();
    expect(await grab(url, coupon, late.token)).toBe("sold_out");
  });

  test("still finds the winner a winner when the coupon is sold out", async () => {
    const coupon = await newCoupon(url, seller, 1);
    const [winner, loser] = [await mintCustomer(), await mintCustomer()];
    expect(await grab(url, coupon, winner.token)).toBe("won");
    for (let round = 0; round < 3; round += 1) {
      expect(await grab(url, coupon, loser.token)).toBe("sold_out");
      expect(await grab(url, coupon, winner.token)).toBe("repeated");
    }
  });

  test("of a coupon or a seller that is not there is 204 not_found, until the coupon is there", async () => {
    const { token } = await mintCustomer();
    const name = freshName("later");
    const path = `/api/users/${seller.username}/coupons/${name}`;
    expect(await grab(url200, { name, path }, token)).toBe("not_found");
    const nobody = `/api/users/nobody/coupons/${name}`;
    expect(await grab(url, { name, path: nobody }, token)).toBe("not_found");
    await newCoupon(url, seller, 1, name);
    expect(await grab(url, { name, path }, token)).toBe("won");
  });

  test("by a seller is refused", async () => {
    const coupon = await newCoupon(url, seller, 1);
    const answer = await call(`PATCH ${url}${coupon.path}`, { token: seller.token });
    expect([answer.status, answer.body]).toEqual([
      401,
      { errMsg: "Sellers aren't allowed to get coupons." },
    ]);
  });

  test("ignores a body, and has none to send back with 204", async () => {
    const coupon = await newCoupon(url, seller, 1);
    const { token } = await mintCustomer();
    const headers = [`Authorization: ${token}`, "Content-Length: 2"];
    const text = requestText(`PATCH ${coupon.path}`, headers, "{}");
    expect(statusOf(await talk(url, text))).toBe(201);
    const again = await talk(url, text);
    expect(again).toMatch(/^HTTP\/1\.1 204 No Content\r\n/);
    expect(again).toContain("Grab-Result: repeated\r\n");
    expect(again.endsWith("\r\n\r\n")).toBe(true);
  });

  test("finds names that need encoding, and the seller in any case", async () => {
    const odd = await newCoupon(url, seller, 9, "50% off / for 你 & {me}?");
    const { token } = await mintCustomer();
    expect(await grab(url, odd, token)).toBe("won");
    const upper = odd.path.replace(seller.username, seller.username.toUpperCase());
    expect(await grab(url200, { ...odd, path: upper }, token)).toBe("repeated");
  });
});

describe("a list", () => {
  test("of a seller has all fields, newest first, for anyone; `left` is one less right after a grab", async () => {
    const shop = await newUser(url, "saler");
    const old = await newCoupon(url, shop, 7);
    const young = await newCoupon(url, shop, 3);
    const { username, token } = await mintCustomer();
    const line = { stock: 500, description: "five off" };
    const expected = (left: number) => ({
      data: [
        { name: young.name, ...line, amount: 3, left },
        { name: old.name, ...line, amount: 7, left: 7 },
      ],
      errMsg: "",
    });
    for (const viewer of [shop.token, seller.token, token]) {
      const answer = await pageOf(shop.username, viewer);
      expect([answer.status, answer.body]).toEqual([200, expected(3)]);
      expect(answer.headers.get("content-type")).toBe("application/json");
    }
    expect(await grab(url200, young, token)).toBe("200");
    expect((await pageOf(shop.username, token)).body).toEqual(expected(2));
    const own = (await pageOf(username, token)).body;
    expect(own).toEqual({ data: [{ name: young.name, ...line }], errMsg: "" });
  });

  test("comes in pages of 20; below 1 is the first, beyond the end is 204", async () => {
    const shop = await newUser(url, "seller");
    const names: string[] = [];
    for (let at = 0; at < 21; at += 1) names.unshift((await newCoupon(url, shop, 1)).name);
    const shown = async (page?: number) =>
      (await list(url, shop.username, shop.token, page)).map(({ name }) => name);
    for (const first of [undefined, 1, 0, -3])
      expect(await shown(first)).toEqual(names.slice(0, 20));
    expect(await shown(2)).toEqual(names.slice(20));
    for (const query of ["?page=3", "?page=99999999", "?page=999999999999999"]) {
      const answer = await pageOf(shop.username, shop.token, query);
      expect([query, answer.status, answer.text]).toEqual([query, 204, ""]);
    }
    for (const query of ["?page=x", "?page=", "?page=1.5", "?page=1%20", "?page=1e1"]) {
      const answer = await pageOf(shop.username, shop.token, query);
      expect([query, answer.status, answer.body]).toEqual([
        query,
        400,
        { errMsg: "Wrong format of page." },
      ]);
    }
  });

  test("of nobody is 400, of another customer 401, an empty one 204", async () => {
    const customer = await newUser(url, "customer");
    const viewer = await newUser(url, "customer");
    const unknown = await pageOf("nobody", viewer.token);
    expect([unknown.status, unknown.body]).toEqual([400, { errMsg: "Record not found." }]);
    for (const token of [viewer.token, seller.token]) {
      const other = await pageOf(customer.username, token);
      expect([other.status, other.body]).toEqual([
        401,
        { data: [], errMsg: "Cannot check other customer." },
      ]);
    }
    const shop = await newUser(url, "seller");
    for (const { username, token } of [customer, shop]) {
      expect((await pageOf(username, token)).status).toBe(204);
    }
    expect((await pageOf(shop.username, customer.token)).status).toBe(204);
  });

  test("of two sellers with one coupon name shows and sells each one's own", async () => {
    const [one, two] = [await newUser(url, "seller"), await newUser(url, "saler")];
    const name = freshName("same");
    const mine = await newCoupon(url, one, 1, name);
    const yours = await newCoupon(url, two, 5, name);
    const { username, token } = await mintCustomer();
    expect(await grab(url, mine, token)).toBe("won");
    expect(await grab(url, yours, token)).toBe("won");
    const lefts = await Promise.all(
      [one, two].map(async (shop) => (await list(url, shop.username, token))[0]?.left),
    );
    expect(lefts).toEqual([0, 4]);
    expect(await list(url, username, token)).toHaveLength(2);
  });
});

test("what no route takes is 404, 405 with Allow, or redirected from a slash too many", async () => {
  const expected: [string, number, string | null][] = [
    ["GET /nowhere", 404, null],
    ["PATCH /test/flush", 404, null],
    ["GET /api/users", 405, "POST"],
    ["DELETE /api/users/x/coupons/y", 405, "PATCH"],
    ["PUT /api/users/x/coupons", 405, "POST, GET"],
    ["POST /api/users/", 307, "/api/users"],
    ["GET /api/users/x/coupons/?page=2", 301, "/api/users/x/coupons?page=2"],
    ["PATCH /api/users/x/coupons/y/", 307, "/api/users/x/coupons/y"],
  ];
  for (const [line, status, header] of expected) {
    const answer = await call(line.replace(" ", ` ${url}`));
    const name = status === 405 ? "allow" : "location";
    expect([line, answer.status, answer.headers.get(name)]).toEqual([line, status, header]);
    if (status === 404) expect(answer.text).toBe("404 page not found");
  }
});
