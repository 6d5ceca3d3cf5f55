// The scenarios that only read: a seller's list, one's own list, a sale and a wallet of /v1; and logging in.

import { createPasswords } from "../src/auth/passwords.ts";
import { nameKeyOf } from "../src/users/name.ts";
import { users } from "../src/users/table.ts";
import type { Figure } from "./figures.ts";
import type { Limits } from "./grabs.ts";
import { customer, requestText } from "./requests.ts";
import { measure, type RunOptions } from "./scenario.ts";
import { addSeller, couponName, loadSales, makeCoupon } from "./stock.ts";
import { type Bench, openSystem, type System } from "./system.ts";

/** Several sellers, because requests for one list at one moment may share its reading. */
const SELLERS = 10;
const COUPONS_PER_SELLER = 20;
const OWNERS = 60_000;
const COUPONS_PER_OWNER = 5;
/** A wallet of /v1 tells more of each coupon than the classic list does. */
const COUPONS_PER_WALLET = 3;
/** A log-in costs a hash of tens of milliseconds; more at once would only wait for their turn. */
const LOGIN_CONNECTIONS = 16;
const LOGIN_NAMES = 64;
const LOGINS_PER_SECOND_MAX = 500;
const PASSWORD = "correct horse battery staple";

type Outcome = Omit<Figure, "scenario" | "limits">;

const sellerName = (number: number): string => `seller-${String(number).padStart(3, "0")}`;

/** A list of 20, asked for by customers who ask once each. */
async function sellerList(system: System, run: RunOptions): Promise<Outcome> {
  for (let number = 0; number < SELLERS; number++) {
    const seller = await addSeller(system.database.db, sellerName(number));
    for (let coupon = 0; coupon < COUPONS_PER_SELLER; coupon++) {
      await makeCoupon(system, { name: couponName(coupon), amount: 1_000, seller });
    }
  }
  let arrived = 0;
  const { mint } = system.bench;
  const make = (count: number) => {
    const first = arrived;
    arrived += count;
    return system.requests(count, (index) =>
      requestText("GET", `/api/users/${sellerName(index % SELLERS)}/coupons`, {
        Authorization: mint.token(customer(first + index)),
      }),
    );
  };
  return (await measure(system, run, make)).figure;
}

/** Sales that everybody of `OWNERS` has won from; the number on the coupon is the order of arrival. */
const ownedSales = Array.from({ length: COUPONS_PER_OWNER }, (_, index) => ({
  ...{ id: index + 1, total: OWNERS, winners: OWNERS },
  winner: (number: number) => number - 1,
}));

/** Their own lists, asked for by the owners in turn, each time with a token that was not seen before. */
async function ownList(system: System, run: RunOptions): Promise<Outcome> {
  let arrived = 0;
  const { mint } = system.bench;
  const make = (count: number) => {
    const first = arrived;
    arrived += count;
    return system.requests(count, (index) => {
      const person = customer((first + index) % OWNERS);
      const path = `/api/users/${person.username}/coupons`;
      return requestText("GET", path, { Authorization: mint.token(person) });
    });
  };
  return (await measure(system, run, make)).figure;
}

/** Their wallets, as `ownList`. */
async function walletPage(system: System, run: RunOptions): Promise<Outcome> {
  let arrived = 0;
  const { mint } = system.bench;
  const make = (count: number) => {
    const first = arrived;
    arrived += count;
    return system.requests(count, (index) => {
      const token = mint.token(customer((first + index) % OWNERS));
      return requestText("GET", "/v1/coupons", { Authorization: `Bearer ${token}` });
    });
  };
  return (await measure(system, run, make)).figure;
}

/** One open sale, looked at by everybody before they grab. */
async function sale(system: System, run: RunOptions): Promise<Outcome> {
  const id = await makeCoupon(system, { name: couponName(0), amount: 1_000 });
  const text = requestText("GET", `/v1/sales/${id}`, {});
  const make = (count: number) => system.requests(count, () => text);
  return (await measure(system, run, make)).figure;
}

async function login(system: System, run: RunOptions): Promise<Outcome> {
  const hashed = await createPasswords().hash(PASSWORD);
  if (hashed === "busy") throw new Error("one hash was too many");
  const people = Array.from({ length: LOGIN_NAMES }, (_, index) => customer(index));
  await system.database.db.insert(users).values(
    people.map(({ username, kind }) => ({
      ...{ username, kind, nameKey: nameKeyOf(username), passwordHash: hashed.hash },
    })),
  );
  const make = (count: number) =>
    system.requests(count, (index) => {
      const { username } = people[index % LOGIN_NAMES] as { username: string };
      const body = JSON.stringify({ username, password: PASSWORD });
      return requestText("POST", "/api/auth", { "Content-Type": "application/json" }, body);
    });
  const connections = Math.min(run.connections, LOGIN_CONNECTIONS);
  const ownRun = { ...run, connections, perSecondMax: LOGINS_PER_SECOND_MAX };
  return (await measure(system, ownRun, make)).figure;
}

interface Reads {
  /** Before the service starts. */
  readonly prepare?: (system: System) => Promise<void>;
  readonly run: (system: System, run: RunOptions) => Promise<Outcome>;
  readonly limits: Limits;
}

// Lists have no rate limit. Log-ins have one for each address, and here all come from one.
export const READS = {
  "seller list": { run: sellerList, limits: "on" },
  "own list": { prepare: (system) => loadSales(system, ownedSales), run: ownList, limits: "on" },
  sale: { run: sale, limits: "on" },
  wallet: {
    prepare: (system) => loadSales(system, ownedSales.slice(0, COUPONS_PER_WALLET)),
    ...{ run: walletPage, limits: "on" },
  },
  login: { run: login, limits: "off" },
} as const satisfies Record<string, Reads>;

/** Runs one of these scenarios on a system of its own. Throws when an answer was not 200. */
export async function runReads(
  bench: Bench,
  scenario: keyof typeof READS,
  run: RunOptions,
): Promise<Figure> {
  const reads: Reads = READS[scenario];
  const system = await openSystem(bench);
  try {
    await reads.prepare?.(system);
    await system.start(reads.limits);
    const outcome = await reads.run(system, run);
    const others = Object.keys(outcome.load.answered).filter((status) => status !== "200");
    if (others.length > 0) throw new Error(`${scenario}: answers of ${others.join(", ")}`);
    return { scenario, limits: reads.limits, ...outcome };
  } finally {
    await system.close();
  }
}
