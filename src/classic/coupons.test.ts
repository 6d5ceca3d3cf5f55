import { describe, expect, test } from "bun:test";
import { fakeApp } from "../../test/harness/classic-fakes.ts";
import { limits } from "../limits.ts";

const coupon = { name: "phone", amount: 10, description: "a phone", stock: 100 };
const errMsg = (text: string): string => JSON.parse(text).errMsg;

async function shop() {
  const fake = fakeApp();
  const token = await fake.tokenFor("Shop", "seller", 5);
  const add = (body: unknown, username = "Shop") =>
    fake.send("POST", `/api/users/${username}/coupons`, { body, token });
  return { ...fake, token, add };
}

describe("a seller adds a coupon", () => {
  test("with 201, and stock is the face value, amount the number of coupons", async () => {
    const { add, asked } = await shop();
    const { status, text } = await add(coupon);
    expect([status, text]).toEqual([201, '{"errMsg":""}']);
    expect(asked.created).toEqual([
      {
        sellerId: 5,
        sellerName: "Shop",
        name: "phone",
        amount: 10,
        faceValue: 100,
        description: "a phone",
      },
    ]);
  });

  test("under any spelling of the own name in the path, decoded once", async () => {
    const { add } = await shop();
    for (const username of ["shop", "SHOP", "sh%6Fp", encodeURIComponent("ＳＨＯＰ")]) {
      expect((await add(coupon, username)).status).toBe(201);
    }
    for (const username of ["shop%20", "shop%00", "sh%256Fp", "other", "5"]) {
      const { status, text } = await add(coupon, username);
      expect([status, errMsg(text)]).toEqual([401, "Cannot create coupons for other users."]);
    }
  });

  test("with the defaults of the originals: no description, no stock", async () => {
    const { add, asked } = await shop();
    expect((await add({ Name: "phone", Amount: 1, description: null })).status).toBe(201);
    expect(asked.created[0]).toMatchObject({ faceValue: 0, description: "" });
  });

  test("and the bounds of every field are inside", async () => {
    const { add } = await shop();
    for (const change of [
      { name: "😀".repeat(limits.couponNameCharsMax) },
      { description: "😀".repeat(limits.descriptionCharsMax) },
      { amount: limits.couponAmountMax },
      { stock: limits.faceValueMax },
      { stock: 0 },
      { name: "' OR 1=1 --" },
      { name: "{s1}:*?" },
      { name: "__proto__" },
    ]) {
      expect((await add({ ...coupon, ...change })).status).toBe(201);
    }
  });
});

describe("adding a coupon is refused", () => {
  test("in the order token, customer, JSON, other user, what the coupon says", async () => {
    const { send, tokenFor, told, add } = await shop();
    const path = "/api/users/other/coupons";
    const nobody = await send("POST", path, { body: "no json" });
    expect([nobody.status, errMsg(nobody.text)]).toEqual([401, "Not Authorized."]);
    const customer = await send("POST", path, { body: "no json", token: await tokenFor("other") });
    expect([customer.status, errMsg(customer.text)]).toEqual([
      401,
      "Only sellers can create coupons.",
    ]);
    const noJson = await add("no json", "other");
    expect([noJson.status, errMsg(noJson.text)]).toEqual([400, "Only receive JSON format."]);
    const other = await add({}, "other");
    expect([other.status, errMsg(other.text)]).toEqual([
      401,
      "Cannot create coupons for other users.",
    ]);
    told.create = "duplicate";
    const duplicate = await add(coupon);
    expect([duplicate.status, errMsg(duplicate.text)]).toEqual([
      400,
      "Create failed. Maybe (username,coupon name) duplicates",
    ]);
  });

  test("when a text or a float stands for an integer", async () => {
    const { add, asked } = await shop();
    for (const field of ["amount", "stock"]) {
      for (const value of ['"10"', "1.0", "1.5", "1e3", "true", "[]", "{}"]) {
        const { status, text } = await add(`{"name":"x","amount":1,"${field}":${value}}`);
        expect([value, status, errMsg(text)]).toEqual([value, 400, "Only receive JSON format."]);
      }
    }
    expect(asked.created).toEqual([]);
  });

  test("when a field is out of its bounds, with what to do", async () => {
    const { add, asked } = await shop();
    for (const change of [
      { name: "" },
      { name: null },
      { name: "x".repeat(limits.couponNameCharsMax + 1) },
      { name: "a\nb" },
      { name: "a\0b" },
      { name: ".." },
      { description: "x".repeat(limits.descriptionCharsMax + 1) },
      { description: "\x1b[0m" },
      { amount: 0 },
      { amount: -1 },
      { amount: null },
      { amount: limits.couponAmountMax + 1 },
      { stock: -1 },
      { stock: limits.faceValueMax + 1 },
    ]) {
      const { status, text } = await add({ ...coupon, ...change });
      expect([status, errMsg(text)]).toEqual([400, expect.stringContaining("Create failed. Use ")]);
    }
    expect(asked.created).toEqual([]);
  });

  test("with 503 when no sale can be made now, and with 413 when the body is too large", async () => {
    const { add, told } = await shop();
    told.create = "unavailable";
    const unavailable = await add(coupon);
    expect([unavailable.status, unavailable.headers.get("Retry-After")]).toEqual([503, "1"]);
    const tooLarge = await add({ ...coupon, other: "x".repeat(limits.httpBodyBytesMax) });
    expect([tooLarge.status, errMsg(tooLarge.text)]).toEqual([
      413,
      "The body is larger than 65536 bytes.",
    ]);
  });
});

describe("a list", () => {
  test("of a seller is seen by anyone with a token", async () => {
    const { send, tokenFor, asked } = fakeApp();
    await send("POST", "/api/users", { body: { username: "Shop", password: "p", kind: "saler" } });
    for (const kind of ["customer", "seller"] as const) {
      const token = await tokenFor("bob", kind);
      const { status, text } = await send("GET", "/api/users/sHOP/coupons", { token });
      expect([status, text]).toEqual([200, '{"data":[{"name":"phone"}],"errMsg":""}']);
    }
    expect(asked.pages).toEqual([
      ["seller", 1, 1],
      ["seller", 1, 1],
    ]);
    expect((await send("GET", "/api/users/shop/coupons")).status).toBe(401);
  });

  test("of one's own needs no look-up, also when nobody ever saw the user's row", async () => {
    const { send, tokenFor, asked } = fakeApp();
    const customer = await tokenFor("Bob", "customer", 9);
    await send("GET", "/api/users/bob/coupons?page=2", { token: customer });
    const seller = await tokenFor("Shop", "saler", 5);
    await send("GET", "/api/users/SHOP/coupons", { token: seller });
    expect(asked.pages).toEqual([
      ["wallet", "9", 2],
      ["seller", 5, 1],
    ]);
    expect(asked.finds).toBe(0);
  });

  test("of another customer is refused, of an unknown user too", async () => {
    const { send, tokenFor, asked } = fakeApp();
    await send("POST", "/api/users", {
      body: { username: "eve", password: "p", kind: "customer" },
    });
    const token = await tokenFor("bob");
    const other = await send("GET", "/api/users/eve/coupons", { token });
    expect([other.status, other.text]).toEqual([
      401,
      '{"data":[],"errMsg":"Cannot check other customer."}',
    ]);
    const unknown = await send("GET", "/api/users/nobody/coupons", { token });
    expect([unknown.status, errMsg(unknown.text)]).toEqual([400, "Record not found."]);
    expect(asked.pages).toEqual([]);
  });

  test("that is empty is 204 without a body", async () => {
    const { send, tokenFor, told, asked } = fakeApp();
    told.page = "";
    const token = await tokenFor("bob");
    for (const page of ["1", String(limits.listPageMax + 1), "999999999999999"]) {
      const answer = await send("GET", `/api/users/bob/coupons?page=${page}`, { token });
      expect([answer.status, answer.text]).toEqual([204, ""]);
    }
    expect(asked.pages.length).toBe(1);
  });

  test("starts at page 1, whatever lies before it, and takes the first of several pages", async () => {
    const { send, tokenFor, asked } = fakeApp();
    const token = await tokenFor("bob");
    for (const query of [
      "",
      "?",
      "?other=3",
      "?page=0",
      "?page=-7",
      "?page=1&page=2",
      "?page=%2B1",
    ]) {
      expect((await send("GET", `/api/users/bob/coupons${query}`, { token })).status).toBe(200);
    }
    expect(asked.pages.map(([, , page]) => page)).toEqual([1, 1, 1, 1, 1, 1, 1]);
  });

  test("has no page that is not an integer", async () => {
    const { send, tokenFor } = fakeApp();
    const token = await tokenFor("bob");
    for (const page of ["", "x", "1.5", "1e3", "0x1", " 1", "+1", "1'--", "9".repeat(16)]) {
      const { status, text } = await send("GET", `/api/users/bob/coupons?page=${page}`, { token });
      expect([page, status, errMsg(text)]).toEqual([page, 400, "Wrong format of page."]);
    }
  });
});
