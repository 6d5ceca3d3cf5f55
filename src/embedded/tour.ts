// What the launcher prints when the service is open.

import type { Durability } from "../config.ts";
import { DEMO, type DemoPasswords } from "./demo.ts";

export interface TourFacts {
  readonly url: string;
  readonly opsUrl: string;
  readonly dataDir: string;
  readonly durability: Durability;
  /** "none": no demo here; "kept": an earlier start made it; otherwise the passwords just drawn. */
  readonly demo: "none" | "kept" | DemoPasswords;
}

const PROMISE = {
  durable: "durable: a confirmed grab is on disk before it is answered",
  fast: "fast: a crash of the machine may lose grabs of the last second or two",
};

/** The whole text, ready to print; the lines from the first `#` on can be pasted into a shell. */
export function tour(facts: TourFacts): string {
  return [
    "",
    `Doorbuster is open: ${facts.url}`,
    `  durability  ${PROMISE[facts.durability]}`,
    `  API         ${facts.url}/docs shows every route of /v1`,
    `  operations  ${facts.opsUrl}/metrics and ${facts.opsUrl}/readyz`,
    `  data        ${facts.dataDir}`,
    "  stop        Ctrl-C",
    "",
    ...(facts.demo === "none" ? withoutDemo(facts.url) : withDemo(facts.url, facts.demo)),
    "",
  ].join("\n");
}

const json = (value: object): string => `'${JSON.stringify(value)}'`;

const logIn = (url: string, username: string, password: string): string =>
  `TOKEN=$(curl -si ${url}/api/auth -d ${json({ username, password })} | tr -d '\\r' | sed -n 's/^[Aa]uthorization: //p')`;

const withToken = (rest: string): string => `curl -siw '\\n' -H "Authorization: $TOKEN" ${rest}`;

function withDemo(url: string, demo: "kept" | DemoPasswords): string[] {
  const made =
    demo === "kept"
      ? [
          `The demo of the first start is here: customer ${DEMO.customer}, seller ${DEMO.seller}, coupon ${DEMO.coupon}.`,
          "Its passwords were printed once; put the customer's in place of PASSWORD.",
        ]
      : [
          `A demo is ready, ${DEMO.amount} pieces of the coupon ${DEMO.coupon}. The passwords are not shown again:`,
          `  customer  ${DEMO.customer}  ${demo.customer}`,
          `  seller    ${DEMO.seller}  ${demo.seller}`,
        ];
  const coupons = `${url}/api/users/${DEMO.seller}/coupons`;
  return [
    ...made,
    "",
    "# Try it. Log in; the token is in the answer's Authorization header:",
    logIn(url, DEMO.customer, demo === "kept" ? "PASSWORD" : demo.customer),
    "# Grab one: 201 the first time, 204 when you have it already:",
    withToken(`-X PATCH ${coupons}/${DEMO.coupon}`),
    "# See what you have, and how many are left:",
    withToken(`${url}/api/users/${DEMO.customer}/coupons`),
    withToken(coupons),
  ];
}

function withoutDemo(url: string): string[] {
  return [
    "# Try it. Register a seller and log in; the token is in the answer's Authorization header:",
    `curl -siw '\\n' ${url}/api/users -d ${json({ username: "anna", password: "PASSWORD", kind: "seller" })}`,
    logIn(url, "anna", "PASSWORD"),
    "# Sell 100 coupons worth 50 each, and look at them:",
    withToken(
      `${url}/api/users/anna/coupons -d ${json({ name: "first", amount: 100, stock: 50, description: "" })}`,
    ),
    withToken(`${url}/api/users/anna/coupons`),
  ];
}
