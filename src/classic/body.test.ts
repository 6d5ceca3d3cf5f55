import { describe, expect, test } from "bun:test";
import { z } from "zod";
import { limits } from "../limits.ts";
import { integer, readBody, text } from "./body.ts";

const schema = z.object({ name: text, amount: integer });

const read = (body: string | Uint8Array | ReadableStream, headers: Record<string, string> = {}) =>
  readBody(new Request("http://localhost/", { method: "POST", body, headers }), schema);

const reason = async (...request: Parameters<typeof read>) => {
  const parsed = await read(...request);
  return parsed.ok ? "read" : parsed.reason;
};

describe("a body is read", () => {
  test("with keys in any case, unknown keys ignored, null and missing alike", async () => {
    for (const body of [
      '{"NAME":"x","Amount":2,"other":[1.5]}',
      '{"name":"x","amount":2,"b":null}',
    ]) {
      expect(await read(body)).toEqual({ ok: true, value: { name: "x", amount: 2 } });
    }
    for (const body of ["{}", '{"name":null,"amount":null}', ' { "Other" : 1 }\n']) {
      expect(await read(body)).toEqual({ ok: true, value: { name: "", amount: 0 } });
    }
  });

  test("with the last of several keys that mean the same, and null as no key at all", async () => {
    const twice = await read('{"amount":1,"amount":2,"AMOUNT":3,"Amount":null}');
    expect(twice).toEqual({ ok: true, value: { name: "", amount: 3 } });
  });

  test("with __proto__ and constructor as keys like any other", async () => {
    const body =
      '{"__proto__":{"amount":5,"polluted":1},"constructor":{"prototype":{"polluted":1}}}';
    expect(await read(body)).toEqual({ ok: true, value: { name: "", amount: 0 } });
    expect("polluted" in {}).toBe(false);
  });

  test("without Content-Encoding or with identity", async () => {
    expect(await reason("{}", { "Content-Encoding": "identity" })).toBe("read");
    for (const encoding of ["gzip", "br", "identity, gzip"]) {
      expect(await reason("{}", { "Content-Encoding": encoding })).toBe("encoded");
    }
  });

  test("up to the limit, with a length and without", async () => {
    const fill = (length: number) => {
      const [open, close] = ['{"name":"', '"}'];
      return open + "x".repeat(length - open.length - close.length) + close;
    };
    const streamed = (body: string) => new Blob([body]).stream();
    const fits = fill(limits.httpBodyBytesMax);
    const tooLarge = fill(limits.httpBodyBytesMax + 1);
    const length = (body: string) => ({ "Content-Length": String(body.length) });
    expect(await reason(fits, length(fits))).toBe("read");
    expect(await reason(streamed(fits))).toBe("read");
    expect(await reason(tooLarge, length(tooLarge))).toBe("too_large");
    expect(await reason(streamed(tooLarge))).toBe("too_large");
    expect(await reason("{}", { "Content-Length": "99999999" })).toBe("too_large");
  });
});

describe("a body is malformed", () => {
  test("when it is not one JSON object", async () => {
    for (const body of [
      "",
      " ",
      "null",
      "[]",
      '"x"',
      "1",
      "{",
      '{"a":1',
      "{}{}",
      "{'a':1}",
      "NaN",
    ]) {
      expect([body, await reason(body)]).toEqual([body, "malformed"]);
    }
  });

  test("when it is not UTF-8, or half a character is in a field", async () => {
    expect(await reason(new Uint8Array([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]))).toBe(
      "malformed",
    );
    expect(await reason('{"name":"\\ud800"}')).toBe("malformed");
    expect(await reason('{"name":"\\ud83d\\ude00"}')).toBe("read");
  });

  test("when a field has another type", async () => {
    for (const name of ["1", "true", "{}", "[]", '{"password":1}']) {
      expect(await reason(`{"name":${name}}`)).toBe("malformed");
    }
    for (const amount of ['"10"', '""', "true", "[]", "{}", '"inf"', '"0x10"', '" 5 "']) {
      expect(await reason(`{"amount":${amount}}`)).toBe("malformed");
    }
  });

  test("when an integer is not written as one", async () => {
    for (const amount of ["1.0", "1.5", "1e3", "1E0", "9e99", "1e400", "-0.0", "-0"]) {
      expect([amount, await reason(`{"amount":${amount}}`)]).toEqual([amount, "malformed"]);
    }
    for (const amount of ["0", "-1", "2147483648", "9007199254740991"]) {
      expect([amount, await reason(`{"amount":${amount}}`)]).toEqual([amount, "read"]);
    }
  });

  test("when it is deep, wide or long, within milliseconds", async () => {
    const bodies = [
      '{"a":'.repeat(10_000) + "1".padEnd(10_001, "}"),
      `{"a":${"[".repeat(32_000)}${"]".repeat(32_000)}}`,
      `{"a":[${"1,".repeat(32_000)}1]}`,
      `{${Array.from({ length: 6_000 }, (_, at) => `"${at}":1`).join(",")}}`,
      `{"amount":${"9".repeat(60_000)}}`,
    ];
    for (const body of bodies) {
      const began = performance.now();
      await reason(body);
      expect(performance.now() - began).toBeLessThan(200);
    }
  });
});
