import { expect, test } from "bun:test";
import type { Durability } from "../config.ts";
import type { Redis } from "./client.ts";
import { redisProblems } from "./settings.ts";

const GOOD = {
  "maxmemory-policy": "noeviction",
  appendonly: "yes",
  appendfsync: "always",
  "no-appendfsync-on-rewrite": "no",
};

function problemsOf(
  version: string,
  settings: Partial<typeof GOOD> = {},
  durability: Durability = "durable",
): Promise<string[]> {
  const found: Record<string, string> = { ...GOOD, ...settings };
  const redis = {
    info: () =>
      Promise.resolve(`# Server\r\nredis_version:${version}\r\nredis_mode:standalone\r\n`),
    call: (...command: string[]) =>
      Promise.resolve(command.slice(2).flatMap((name) => [name, found[name]])),
  };
  return redisProblems(redis as unknown as Redis, durability);
}

test.each(["7.0.0", "7.0.15", "7.4.2", "8.0.2", "10.1.0"])(
  "Redis %s is new enough",
  async (version) => {
    expect(await problemsOf(version)).toEqual([]);
  },
);

test.each(["6.2.14", "6.0.0", "5.0.7", "unknown"])("Redis %s is refused", async (version) => {
  const problems = await problemsOf(version);
  expect(problems).toHaveLength(1);
  expect(problems[0]).toContain("7.0 or newer is needed");
});

test("every fault is named at once, each with its mend", async () => {
  const problems = await problemsOf("6.2.0", {
    "maxmemory-policy": "allkeys-lru",
    appendonly: "no",
    appendfsync: "everysec",
    "no-appendfsync-on-rewrite": "yes",
  });
  expect(problems).toHaveLength(5);
  expect(problems.join("\n")).toContain("CONFIG SET maxmemory-policy noeviction");
  expect(problems.join("\n")).toContain("CONFIG SET appendfsync always");
});

test("fast mode wants a sync each second, and says so of any other", async () => {
  expect(await problemsOf("7.0.0", { appendfsync: "everysec" }, "fast")).toEqual([]);
  expect((await problemsOf("7.0.0", {}, "fast"))[0]).toContain("appendfsync everysec");
});
