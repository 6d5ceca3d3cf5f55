// The table of faults in docs/faults.md: it has every fault, and each test that it names is there, by that title.

import { expect, test } from "bun:test";
import { Glob } from "bun";

const ROOT = new URL("../..", import.meta.url).pathname;
const read = (path: string): Promise<string> => Bun.file(`${ROOT}${path}`).text();

const table = await read("docs/faults.md");
const rows = table.split("\n").filter((line) => /^\| B\d+ /.test(line));
const named = [...table.matchAll(/`((?:test|src)\/[\w/.-]+\.test\.ts)`: "([^"]+)"/g)].map(
  ([, path = "", title = ""]) => ({ path, title }),
);

/** The titles of the tests in a file, as they are written there: the first argument of `test` and `test.each(…)`. */
const titlesIn = (text: string): Set<string | undefined> =>
  new Set(
    [...text.matchAll(/(?:\btest(?:\.\w+)*|\))\(\s*"((?:[^"\\]|\\.)*)",/g)].map(
      ([, title]) => title,
    ),
  );

test("the table of faults has all of them, each once and in order", () => {
  const cells = rows.map((line) => /^\| (B\d+) /.exec(line)?.[1]);
  expect(cells).toEqual(Array.from({ length: 41 }, (_, i) => `B${i + 1}`));
});

test("every fault says what a user sees, what holds, and which test shows it", () => {
  for (const line of rows) {
    const columns = line.split(" | ").map((column) => column.replaceAll("|", "").trim());
    expect([line, columns.length]).toEqual([line, 6]);
    expect([line, columns.every((column) => column.length > 1)]).toEqual([line, true]);
    expect(columns[5]).toMatch(/\.test\.ts`: "|`bun run chaos`/);
  }
});

test("every test that the table names is there, with exactly that title", async () => {
  expect(named.length).toBeGreaterThan(rows.length);
  const missing: string[] = [];
  for (const { path, title } of named) {
    const titles = titlesIn(await read(path).catch(() => ""));
    if (!titles.has(title)) missing.push(`${path}: ${title}`);
  }
  expect(missing).toEqual([]);
});

test("every file of fault tests is named in the table", () => {
  const files = [...new Glob("test/faults/*.test.ts").scanSync({ cwd: ROOT })];
  const unnamed = files.filter((path) => !named.some((one) => one.path === path));
  expect(unnamed).toEqual(["test/faults/table.test.ts"]);
});
