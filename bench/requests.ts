// Users, their tokens, and whole requests, made before anything is measured. Everything has a fixed width, so
// that all requests of a file have one length and the generator needs no index.

import { randomBytes } from "node:crypto";
import { closeSync, openSync, writeSync } from "node:fs";

// Users come in an order that has nothing to do with their ids, as in a real sale: rising ids would flatter
// MySQL's index on the user. The modulus is a prime, so no id comes twice.
const USERS = 899_999_963;
const FIRST_USER = 100_000_000;
const STRIDE = 514_229_023;
const JTI_BYTES = 9;
const CHUNK_REQUESTS = 4_096;

/** The id of the user with this number in the order of arrival; nine digits. */
export const userIdOf = (arrival: number): number =>
  FIRST_USER + Number((BigInt(arrival + 1) * BigInt(STRIDE)) % BigInt(USERS));

export interface Person {
  readonly id: number;
  readonly username: string;
  readonly kind: "customer" | "seller";
}

export const customer = (arrival: number): Person => {
  const id = userIdOf(arrival);
  return { id, username: `u${id}`, kind: "customer" };
};

/** Makes tokens in the documented format, valid for an hour. */
export class Mint {
  readonly #keyed: Bun.CryptoHasher;
  readonly #head = Buffer.from('{"alg":"HS256","typ":"JWT"}').toString("base64url");
  #serial = 0;
  readonly #run = randomBytes(JTI_BYTES).toString("base64url");

  constructor(readonly secret: string) {
    this.#keyed = new Bun.CryptoHasher("sha256", secret);
  }

  token({ id, username, kind }: Person): string {
    const iat = Math.floor(Date.now() / 1_000);
    const jti = `${this.#run}${String(this.#serial++).padStart(12, "0")}`;
    const claims = `{"sub":"${id}","username":"${username}","kind":"${kind}","use":"access","iss":"doorbuster","jti":"${jti}","iat":${iat},"exp":${iat + 3_600}}`;
    const text = `${this.#head}.${Buffer.from(claims).toString("base64url")}`;
    return `${text}.${this.#keyed.copy().update(text).digest("base64url")}`;
  }
}

export interface RequestFile {
  readonly file: string;
  readonly count: number;
  readonly requestBytes: number;
}

/** One request as bytes, with the headers that a load tester sends. */
export const requestText = (
  method: string,
  path: string,
  headers: Record<string, string>,
  body = "",
): string =>
  [
    `${method} ${path} HTTP/1.1`,
    "Host: 127.0.0.1",
    "Connection: keep-alive",
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
    ...(method === "GET" ? [] : [`Content-Length: ${Buffer.byteLength(body)}`]),
    "",
    body,
  ].join("\r\n");

/** Writes `count` requests to a file. Throws when they do not all have the same length. */
export function writeRequests(
  file: string,
  count: number,
  textOf: (index: number) => string,
): RequestFile {
  const requestBytes = Buffer.byteLength(textOf(0));
  const descriptor = openSync(file, "w", 0o600);
  try {
    for (let from = 0; from < count; from += CHUNK_REQUESTS) {
      const to = Math.min(count, from + CHUNK_REQUESTS);
      const chunk = Buffer.allocUnsafe((to - from) * requestBytes);
      for (let index = from; index < to; index++) {
        const text = textOf(index);
        if (text.length !== requestBytes) throw new Error(`request ${index} has another length`);
        chunk.write(text, (index - from) * requestBytes, "latin1");
      }
      writeSync(descriptor, chunk);
    }
  } finally {
    closeSync(descriptor);
  }
  return { file, count, requestBytes };
}
