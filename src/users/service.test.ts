import { expect, test } from "bun:test";
import type { Passwords } from "../auth/passwords.ts";
import type { Levels, LookupOptions } from "../cache/levels.ts";
import type { Database } from "../db/client.ts";
import { nameKeyOf } from "./name.ts";
import { createUsers, type UserFacts } from "./service.ts";

interface Row {
  id: number;
  username: string;
  nameKey: string;
  kind: string;
  passwordHash: string;
  disabledAt?: Date;
}

const duplicate = () =>
  Object.assign(new Error("Failed query"), {
    cause: Object.assign(new Error("duplicate"), { errno: 1062, sqlState: "23000" }),
  });

/** A users table that answers each question with all its rows or none, and a Redis that remembers. */
function fixture(rows: Row[] = []) {
  const asked = { mysql: 0, hashes: 0, dummies: 0 };
  const texts = new Map<string, string>();
  const ask = () => {
    asked.mysql++;
    return Promise.resolve(rows);
  };
  const db = {
    select: () => ({ from: () => ({ where: () => ({ limit: ask }) }) }),
    insert: () => ({
      values: (row: Omit<Row, "id">) => ({
        $returningId: async () => {
          if (rows.some(({ nameKey }) => nameKey === row.nameKey)) throw duplicate();
          const id = rows.length + 1;
          rows.push({ id, ...row });
          return [{ id }];
        },
      }),
    }),
  };
  // Redis, where what was loaded once is found by all.
  const lookup = (({ load, parse }: LookupOptions<string, UserFacts>) => {
    const get = async (name: string) => {
      const text = texts.get(name);
      if (text !== undefined) return parse(text);
      const found = await load(name);
      if (found) texts.set(name, JSON.stringify(found));
      return found;
    };
    const renew = (name: string) => {
      texts.delete(name);
      return get(name);
    };
    return { get, renew };
  }) as unknown as Levels["lookup"];
  const passwords: Passwords = {
    hash: (password) => {
      asked.hashes++;
      return Promise.resolve({ hash: `hash of ${password}` });
    },
    matches: async (password, find) => {
      const owner = await find();
      if (owner === undefined) asked.dummies++;
      return { owner, right: owner?.passwordHash === `hash of ${password}` };
    },
  };
  const deps = { db: db as unknown as Database, levels: { lookup }, passwords };
  return { asked, rows, users: createUsers(deps), elsewhere: () => createUsers(deps) };
}

test("a user is found by any spelling of the name, without MySQL, on any process", async () => {
  const { asked, users, elsewhere } = fixture();
  const alice = { id: 1, username: "Alice", kind: "saler" as const };
  const made = await users.register({ username: "Alice", password: "x", kind: "saler" });
  expect(made).toEqual({ kind: "created", user: alice });
  const before = asked.mysql;
  expect(await users.find("ＡＬＩＣＥ")).toEqual(alice);
  expect(await elsewhere().find("alice")).toEqual(alice);
  expect(asked.mysql).toBe(before);
});

test("a name is taken in every spelling, and a known one costs no hash", async () => {
  const { asked, users, rows } = fixture();
  await users.register({ username: "Alice", password: "x", kind: "customer" });
  const again = { username: "aLICE", password: "y", kind: "seller" as const };
  expect(await users.register(again)).toEqual({ kind: "taken" });
  expect([asked.hashes, rows.length]).toEqual([1, 1]);
});

test("two who register one name at once: the unique index lets one have it", async () => {
  const { users, rows } = fixture();
  const outcomes = await Promise.all(
    ["bob", "BOB"].map((username) => users.register({ username, password: "x", kind: "customer" })),
  );
  expect(outcomes.map(({ kind }) => kind).toSorted()).toEqual(["created", "taken"]);
  expect(rows.length).toBe(1);
});

test("only the right password logs in", async () => {
  const { users } = fixture();
  await users.register({ username: "Alice", password: "right", kind: "customer" });
  const user = { id: 1, username: "Alice", kind: "customer" as const };
  const logIn = (password: string) => users.logIn({ username: "alice", password });
  expect(await logIn("right")).toEqual({ kind: "ok", user, since: 0 });
  expect(await logIn("wrong")).toEqual({ kind: "wrong_password", user });
});

test("an unknown name is checked against a hash like any other", async () => {
  const { asked, users } = fixture();
  for (const username of ["nobody", "", "x".repeat(10_000)]) {
    expect(await users.logIn({ username, password: "x" })).toEqual({ kind: "unknown" });
  }
  expect(asked.dummies).toBe(3);
});

test("a row of an unknown kind is an error, not a customer", async () => {
  const key = nameKeyOf("x");
  const { users } = fixture([
    { id: 1, username: "x", nameKey: key, kind: "alien", passwordHash: "" },
  ]);
  const message = await users.find("x").catch((error: Error) => error.message);
  expect(message).toContain("unknown kind");
});

test("who was disabled is answered like nobody, whatever the password", async () => {
  const { users, rows } = fixture();
  await users.register({ username: "Alice", password: "right", kind: "admin" });
  for (const row of rows) row.disabledAt = new Date();
  for (const password of ["right", "wrong"]) {
    expect(await users.logIn({ username: "alice", password })).toEqual({ kind: "unknown" });
  }
});
