// What the figures were measured on: without it they say nothing.

import { readFileSync } from "node:fs";
import { cpus, release, totalmem } from "node:os";
import { sql } from "drizzle-orm";
import { openConnection } from "../src/db/client.ts";
import { findProgram, findRedis } from "../src/embedded/programs.ts";
import type { Bench } from "./system.ts";

const GIB = 2 ** 30;

/** Pairs of a name and a value, for a table. */
export type Machine = readonly (readonly [string, string])[];

const versionOf = (program: string | undefined): string => {
  if (!program) return "not on this machine";
  const { stdout } = Bun.spawnSync([program, "--version"]);
  return /\d+\.\d+\.\d+/.exec(stdout.toString())?.[0] ?? "unknown";
};

/** The processor as /proc names it; some virtual machines give family and model only. */
function processor(): string {
  const info = readFileSync("/proc/cpuinfo", "utf8");
  const field = (name: string) => new RegExp(`^${name}\\s*: (.*)$`, "m").exec(info)?.[1] ?? "?";
  return `${field("model name")} (family ${field("cpu family")}, model ${field("model")})`;
}

export async function describeMachine(bench: Bench): Promise<Machine> {
  const connection = await openConnection(bench.databaseUrl("mysql"));
  const [rows] = await connection.db.execute(sql`SELECT VERSION() AS version`);
  await connection.close();
  const database = (rows as unknown as { version: string }[])[0]?.version ?? "unknown";
  return [
    ["cores", String(cpus().length)],
    ["processor", processor()],
    ["memory", `${(totalmem() / GIB).toFixed(1)} GiB`],
    ["kernel", `Linux ${release()}`],
    ["Bun", Bun.version],
    ["Redis", versionOf(findRedis())],
    ["redis-benchmark", versionOf(findProgram("redis-benchmark", "valkey-benchmark"))],
    [/mariadb/i.test(database) ? "MariaDB" : "MySQL", database],
  ];
}
