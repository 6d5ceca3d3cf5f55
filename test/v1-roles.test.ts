// Who may ask what: the README's table of routes, held against the service and against its document.

import { afterAll, beforeAll, expect, test } from "bun:test";
import { createServiceKey } from "../src/auth/keys.ts";
import { ROLES, type Role } from "../src/v1/actor.ts";
import { startApi, type TestApi } from "./harness/api.ts";
import { mint } from "./harness/sellers.ts";
import { startStores, stopEverything } from "./harness/servers.ts";
import { type Behind, behind } from "./harness/service.ts";
import { v1 } from "./harness/v1.ts";

/** What the table calls several roles at once; "–" is whoever comes. */
const WHO: Readonly<Record<string, readonly Role[]>> = {
  users: ["customer", "seller", "admin"],
  owner: ROLES,
  "–": [],
};
/** One that nobody has. */
const CODE = "7K3XQ0M5R8TZB1CDWE9G";

interface Told {
  readonly route: string;
  /** [] for whoever comes. */
  readonly roles: readonly Role[];
}

let api: TestApi;
let past: Behind;
let key: string;
let told: Told[];

async function readTable(): Promise<Told[]> {
  const readme = await Bun.file(new URL("../README.md", import.meta.url)).text();
  const rows = readme.split("\n").filter((line) => line.startsWith("|"));
  return rows.flatMap((row) => {
    const [, routes = "", who = ""] = row.split("|").map((cell) => cell.trim());
    const named = [...routes.matchAll(/([A-Z]+) `(\/v1\/[^`]+)`/g)];
    const roles = WHO[who] ?? (who.split(", ") as Role[]);
    return named.map(([, method, path]) => ({ route: `${method} ${path}`, roles }));
  });
}

beforeAll(async () => {
  const { settings } = await startStores();
  [api, past, told] = await Promise.all([startApi(settings), behind(settings), readTable()]);
  const made = await createServiceKey(past.db, "checkout");
  if (typeof made === "string") throw new Error(made);
  key = made.key;
});
afterAll(stopEverything);

/** Asks for nothing that exists, with nothing that would be taken; a log-out ends the token, so each is a new one. */
async function ask(route: string, role?: Role) {
  const token =
    role === undefined ? undefined : role === "service" ? key : (await mint(role)).token;
  const what = route.replace("{id}", "999999").replace("{code}", CODE);
  const { status, body } = await v1(api.url, what, { token });
  return { status, code: status < 400 ? "" : body.code };
}

test("the table names all routes and roles that there are, and no others", async () => {
  const { body } = await v1(api.url, "GET /openapi.json");
  const documented = Object.entries<object>(body.paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
  );
  expect(told.map(({ route }) => route).toSorted()).toEqual(documented.toSorted());
  for (const { route, roles } of told) {
    expect([route, roles.filter((role) => !ROLES.includes(role))]).toEqual([route, []]);
    const [method = "", path = ""] = route.split(" ");
    const { description = "" } = body.paths[path][method.toLowerCase()];
    const [, named] = /(?:^|\n\n)For: ([a-z, ]+)\.$/.exec(description) ?? [];
    expect([route, named]).toEqual([route, roles.length > 0 ? roles.join(", ") : undefined]);
  }
});

test("who has no token is nobody, where the table names a role", async () => {
  for (const { route, roles } of told) {
    const { code } = await ask(route);
    expect([route, code === "unauthenticated"]).toEqual([route, roles.length > 0]);
  }
});

test("who is in a role that the table does not name may not ask, and everybody else may", async () => {
  for (const { route, roles } of told) {
    const refused: Role[] = [];
    for (const role of ROLES) {
      const { status, code } = await ask(route, role);
      expect([route, role, status]).not.toEqual([route, role, 401]);
      if (code === "forbidden") refused.push(role);
    }
    const others = roles.length === 0 ? [] : ROLES.filter((role) => !roles.includes(role));
    expect([route, refused]).toEqual([route, others]);
  }
});
