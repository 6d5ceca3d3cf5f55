// The requests of the clients as text, with tokens as another system would issue them.

import { sign } from "hono/jwt";

const FIRST_ID = 1_000_000;
/** Clocks are moved by minutes in both directions: a token must be good under each of them. */
const CLOCKS_APART_SECONDS = 7_200;
/** Customers come and go; those who come back get a new token. */
const TOKENS_KEPT_MAX = 50_000;
const JSON_TYPE = "Content-Type: application/json\r\n";

export const userIdOf = (customer: number): number => FIRST_ID + customer;
const usernameOf = (customer: number): string => `c${userIdOf(customer)}`;

interface Person {
  readonly id: number;
  readonly username: string;
  readonly kind: "customer" | "seller";
}

/** Makes requests; a customer's token is made once and kept. */
export class Requests {
  readonly #tokens = new Map<number, Promise<string>>();
  #serial = 0;

  constructor(
    readonly secret: string,
    readonly seller: { readonly id: number; readonly username: string },
    readonly seconds: number,
  ) {}

  #tokenOf(person: Person): Promise<string> {
    const known = this.#tokens.get(person.id);
    if (known) return known;
    const now = Math.floor(Date.now() / 1_000);
    const claims = {
      ...{ sub: String(person.id), username: person.username, kind: person.kind },
      ...{ use: "access", iss: "doorbuster", jti: `chaos-${++this.#serial}` },
      ...{ iat: now - CLOCKS_APART_SECONDS, exp: now + this.seconds + CLOCKS_APART_SECONDS },
    };
    const token = sign(claims, this.secret, "HS256");
    if (this.#tokens.size >= TOKENS_KEPT_MAX) this.#tokens.clear();
    this.#tokens.set(person.id, token);
    return token;
  }

  async #text(line: string, person: Person, body?: object): Promise<string> {
    const head = `${line} HTTP/1.1\r\nHost: chaos\r\nAuthorization: ${await this.#tokenOf(person)}\r\n`;
    if (body === undefined) return `${head}Content-Length: 0\r\n\r\n`;
    const text = JSON.stringify(body);
    return `${head}${JSON_TYPE}Content-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`;
  }

  grab(sale: string, customer: number): Promise<string> {
    const person = this.#customer(customer);
    return this.#text(`PATCH /api/users/${this.seller.username}/coupons/${sale}`, person);
  }

  list(customer: number): Promise<string> {
    const person = this.#customer(customer);
    return this.#text(`GET /api/users/${person.username}/coupons`, person);
  }

  make(name: string, amount: number): Promise<string> {
    const body = { name, amount, stock: 500, description: "opens with the doors" };
    const person = { ...this.seller, kind: "seller" as const };
    return this.#text(`POST /api/users/${this.seller.username}/coupons`, person, body);
  }

  #customer(customer: number): Person {
    return { id: userIdOf(customer), username: usernameOf(customer), kind: "customer" };
  }
}
