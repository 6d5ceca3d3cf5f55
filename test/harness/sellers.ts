// Sellers and what they make through /v1.

import { createTokens, type Kind } from "../../src/auth/token.ts";
import { systemClock } from "../../src/clock.ts";
import { TEST_SECRET } from "./api.ts";
import { freshName } from "./http.ts";
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

/** So many milliseconds from now, as the API takes it. */
export const inMs = (ms: number): string => new Date(Date.now() + ms).toISOString();
