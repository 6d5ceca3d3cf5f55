// What a newcomer finds in an empty database: a seller, a customer and a coupon, made through the same API
// that everybody uses. The passwords are drawn, printed once and kept nowhere.

import { randomBytes } from "node:crypto";
import { existsSync, writeFileSync } from "node:fs";
import { openConnection } from "../db/client.ts";
import { users } from "../users/table.ts";

export const DEMO = {
  seller: "demo-seller",
  customer: "demo-customer",
  coupon: "doorbuster",
  amount: 100,
} as const;

export interface DemoPasswords {
  readonly seller: string;
  readonly customer: string;
}

/** True when nobody has registered yet. */
export async function isEmpty(databaseUrl: string): Promise<boolean> {
  const connection = await openConnection(databaseUrl);
  try {
    return (await connection.db.select({ id: users.id }).from(users).limit(1)).length === 0;
  } finally {
    await connection.close();
  }
}

/** True when an earlier start made the demo in this data folder. */
export const hasDemo = (marker: string): boolean => existsSync(marker);

/** Makes the demo through the API at `url`, and the marker file. Throws when the service refuses a step. */
export async function makeDemo(url: string, marker: string): Promise<DemoPasswords> {
  const passwords = { seller: drawPassword(), customer: drawPassword() };
  await post(`${url}/api/users`, {
    username: DEMO.seller,
    password: passwords.seller,
    kind: "seller",
  });
  await post(`${url}/api/users`, {
    username: DEMO.customer,
    password: passwords.customer,
    kind: "customer",
  });
  const login = await post(`${url}/api/auth`, {
    username: DEMO.seller,
    password: passwords.seller,
  });
  await post(
    `${url}/api/users/${DEMO.seller}/coupons`,
    {
      name: DEMO.coupon,
      amount: DEMO.amount,
      stock: 50,
      description: "The deal that opens with the doors",
    },
    login.headers.get("authorization") ?? "",
  );
  writeFileSync(marker, `${JSON.stringify(DEMO)}\n`, { mode: 0o600 });
  return passwords;
}

const drawPassword = (): string => randomBytes(12).toString("base64url");

async function post(url: string, body: object, token?: string): Promise<Response> {
  const response = await fetch(url, {
    method: "POST",
    headers: { "Content-Type": "application/json", ...(token ? { Authorization: token } : {}) },
    body: JSON.stringify(body),
  });
  if (!response.ok) {
    throw new Error(`POST ${url} answered ${response.status}`);
  }
  return response;
}
