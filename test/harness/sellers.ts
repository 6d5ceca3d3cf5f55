// Sellers and what they make through /v1.

import { createTokens, type Kind } from "../../src/auth/token.ts";
import { systemClock } from "../../src/clock.ts";
import { TEST_SECRET } from "./api.ts";
import { freshName, mintCustomer } from "./http.ts";
import { v1 } from "./v1.ts";

const tokens = createTokens(TEST_SECRET, systemClock, () => false);
let lastId = 5_000_000;

export interface Someone {
  readonly id: number;
  readonly token: string;
}

/** Somebody of this kind whom the database has never seen, with a valid token. */
export async function mint(kind: Kind): Promise<Someone> {
  const id = ++lastId;
  const token = await tokens.issue({ id, username: `minted-${id}`, kind });
  return { id, token: token.replace(/^Bearer /i, "") };
}

/** A template of 5.00 off, published unless `published` is false; gives its id. */
export async function newTemplate(
  url: string,
  { token }: Someone,
  fields: object = {},
  { published = true }: { published?: boolean } = {},
): Promise<number> {
  const body = {
    ...{ name: freshName("template"), type: "amount_off", faceValue: 500, currency: "CNY" },
    ...fields,
  };
  const made = await v1(url, "POST /v1/templates", { token, body });
  if (made.status !== 201) throw new Error(JSON.stringify(made.body));
  const { id } = made.body;
  if (!published) return id;
  const answer = await v1(url, `POST /v1/templates/${id}/publish`, { token });
  if (answer.status !== 200) throw new Error(JSON.stringify(answer.body));
  return id;
}

/** An open sale of ten units of a template of its own, made through /v1; gives its id. */
export async function makeSale(url: string, seller: Someone, fields: object = {}): Promise<number> {
  const templateId = await newTemplate(url, seller);
  const body = { templateId, name: freshName("sale"), total: 10, ...fields };
  const made = await v1(url, "POST /v1/sales", { token: seller.token, body });
  if (made.status !== 201) throw new Error(JSON.stringify(made.body));
  return made.body.id;
}

/** What tests ask of the sales of one seller; who and where is asked for with each call. */
export function salesOf(where: () => { url: string; seller: Someone }) {
  /** Anybody's request: `call("GET /v1/sales", seller)`. */
  const call = (what: string, who: Someone | undefined, body?: object, rest: object = {}) =>
    v1(where().url, what, { token: who?.token, ...(body && { body }), ...rest });
  /** The seller's request for a sale: `of(7, "POST /pause")`, `of(7, "PATCH ", fields)`. */
  const of = (id: number, what: string, body?: object, rest: object = {}) => {
    const [method, path = ""] = what.split(" ");
    return call(`${method} /v1/sales/${id}${path}`, where().seller, body, rest);
  };
  const sale = (fields: object = {}) => makeSale(where().url, where().seller, fields);
  /** A new customer's: "won", or the code of the refusal. */
  async function grab(id: number): Promise<string> {
    const { token } = await mintCustomer();
    const { status, body } = await v1(where().url, `POST /v1/sales/${id}/grab`, { token });
    return status === 201 ? "won" : body.code;
  }
  async function sell(id: number, count: number): Promise<void> {
    for (let i = 0; i < count; i += 1) {
      const outcome = await grab(id);
      if (outcome !== "won") throw new Error(`a grab was answered ${outcome}`);
    }
  }
  return { call, of, sale, grab, sell };
}

/** So many milliseconds from now, as the API takes it. */
export const inMs = (ms: number): string => new Date(Date.now() + ms).toISOString();
