import { expect, test } from "bun:test";
import type { Database } from "./client.ts";
import { databaseProblems, databaseWarnings } from "./settings.ts";

const answering = (row: object): Database =>
  ({ execute: () => Promise.resolve([[row], []]) }) as unknown as Database;

const seen = (version: string, { charset = "utf8mb4", name = "shop" as string | null } = {}) =>
  databaseProblems(answering({ version, charset, name }));

test.each([
  "8.0.0",
  "8.0.36",
  "8.4.3",
  "9.7.4-2",
  "10.6.0-MariaDB",
  "10.11.19-MariaDB-0+deb12u1-log",
  "11.8.6-MariaDB",
])("%s is new enough", async (version) => {
  expect(await seen(version)).toEqual([]);
});

test.each(["5.7.44", "5.5.5", "10.5.29-MariaDB", "5.5.68-MariaDB"])(
  "%s is refused",
  async (version) => {
    const problems = await seen(version);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain("MySQL 8.0 or MariaDB 10.6 or newer is needed");
  },
);

test("a database with another character set is refused, with its mend", async () => {
  const problems = await seen("8.4.0", { charset: "latin1" });
  expect(problems).toHaveLength(1);
  expect(problems[0]).toContain("ALTER DATABASE `shop` CHARACTER SET utf8mb4");
});

test("a URL without a database is refused", async () => {
  expect((await seen("8.4.0", { name: null }))[0]).toContain("names no database");
});

test("a server that may forget a commit is warned of, once per setting", async () => {
  const warningsOf = (flush: number, binlog: number, sync: number) =>
    databaseWarnings(answering({ flush, binlog, sync }));
  expect(await warningsOf(1, 1, 1)).toEqual([]);
  expect(await warningsOf(1, 0, 0)).toEqual([]);
  expect(await warningsOf(2, 1, 0)).toHaveLength(2);
  expect((await warningsOf(1, 1, 0))[0]).toContain("sync_binlog = 1");
});
