// Whether the mutants still fit the product; that they are caught is what `bun run mutants` shows.

import { expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { grabScriptMutants } from "./grab-script.ts";
import { mutants } from "./list.ts";

const ROOT = new URL("../..", import.meta.url).pathname;

test.each(mutants.map((mutant) => [mutant.name, mutant] as const))(
  "%s is an edit that still applies, and its test is in a file that is there",
  (_, { edits, caughtBy }) => {
    for (const { path, edit } of edits) {
      const text = readFileSync(join(ROOT, path), "utf8");
      expect(edit(text)).not.toBe(text);
    }
    expect(existsSync(join(ROOT, caughtBy.file))).toBe(true);
  },
);

test("every mutant has a name of its own", () => {
  expect(new Set(mutants.map(({ name }) => name)).size).toBe(mutants.length);
});

test("the README and the changelog count all of them", () => {
  const textOf = (name: string) => readFileSync(join(ROOT, name), "utf8");
  const table =
    /\| what is broken \| mutants .*\n.*\n((?:\|.*\n)+)/.exec(textOf("README.md"))?.[1] ?? "";
  const counts = [...table.matchAll(/^\| [^|]+ \| (\d+) \|/gm)].map(([, count]) => Number(count));
  const all = mutants.length + grabScriptMutants.length;
  expect(counts.reduce((sum, count) => sum + count, 0)).toBe(all);
  expect(textOf("CHANGELOG.md")).toContain(`\`bun run mutants\`: ${all} ways`);
});
