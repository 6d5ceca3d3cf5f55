// The linter must catch a promise that nobody waits for: a Redis call or an insert without `await` is a grant
// that may be lost without a trace. Proved with the repository's own settings on a file that has some.

import { expect, test } from "bun:test";
import { join } from "node:path";
import { freshFolder } from "./harness/servers.ts";

const ROOT = new URL("..", import.meta.url).pathname;

const careless = `
import { openPool } from "${ROOT}src/db/client.ts";
import { createLog } from "${ROOT}src/log.ts";
import { connectRedis } from "${ROOT}src/redis/client.ts";
import { users } from "${ROOT}src/users/table.ts";

const redis = connectRedis("redis://nowhere", "reads", createLog("silent"));
const { db } = openPool("mysql://nowhere/x", 1);

export async function forget(ids: string[]): Promise<void> {
  redis.set("key", "value"); // caught
  redis.pipeline().set("key", "value").exec(); // caught
  db.insert(users).values([]); // caught
  db.transaction(async (tx) => tx.delete(users)); // caught
  ids.forEach(async (id) => redis.del(id)); // caught
  if (redis.get("key")) return; // caught
}

export async function wait(ids: string[]): Promise<void> {
  await redis.set("key", "value");
  await db.insert(users).values([]);
  void redis.del("key");
  await Promise.all(ids.map((id) => redis.del(id)));
}
`;

/** The lines that the linter finds fault with, by the repository's settings. */
async function faultyLines(text: string, ...flags: string[]): Promise<number[]> {
  const folder = freshFolder("lint");
  await Bun.write(join(folder, "careless.ts"), text);
  const options = { extends: join(ROOT, "tsconfig.json"), include: ["."] };
  await Bun.write(join(folder, "tsconfig.json"), JSON.stringify(options));
  const program = join(ROOT, "node_modules/.bin/oxlint");
  const settings = ["-c", join(ROOT, ".oxlintrc.json"), "--format", "json"];
  // Named, because the folder as a whole is one that git ignores, and so does the linter.
  const child = Bun.spawn([program, ...settings, ...flags, "careless.ts"], {
    ...{ cwd: folder, stdout: "pipe", stderr: "inherit" },
  });
  const report = (await new Response(child.stdout).json()) as {
    diagnostics: { labels: { span: { line: number } }[] }[];
  };
  await child.exited;
  return report.diagnostics.flatMap(({ labels }) => labels.map(({ span }) => span.line));
}

const marked = careless
  .split("\n")
  .flatMap((line, index) => (line.endsWith("// caught") ? [index + 1] : []));

test.each([
  ["by its settings alone", []],
  ["as `bun run check` calls it", ["--type-aware"]],
] as const)("the linter finds every promise that nobody waits for, %s", async (_, flags) => {
  const found = await faultyLines(careless, ...flags);
  expect(marked).toHaveLength(6);
  expect([...new Set(found)].toSorted((a, b) => a - b)).toEqual(marked);
});

test("it has nothing against a file that waits for everything", async () => {
  const careful = careless
    .split("\n")
    .filter((line) => !line.endsWith("// caught"))
    .join("\n")
    .replace("forget(ids: string[])", "forget()");
  expect(await faultyLines(careful)).toEqual([]);
});
