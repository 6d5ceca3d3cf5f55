// `bun run doorbuster`, as a process of its own.

import type { AuditReport } from "../../src/audit/audit.ts";
import { TEST_CODE_SECRET, watch } from "./api.ts";
import { peakResidentBytes } from "./memory.ts";
import { until } from "./until.ts";

/** Long enough for an audit of a shard whose gate does not open. */
const WITHIN_MS = 40_000;

export interface CliEnd {
  readonly code: number;
  /** Standard output and error together. */
  readonly output: string;
  /** The most memory that it had resident when it was last looked at, some milliseconds before its end. */
  readonly peakBytes: number;
}

/** Runs one command to its end. */
export async function runCli(
  servers: { redisUrl: string; databaseUrl: string } | undefined,
  ...words: string[]
): Promise<CliEnd> {
  const child = watch(
    [process.execPath, "--no-orphans", "--no-env-file", "src/cli/main.ts", ...words],
    servers
      ? {
          ...{ REDIS_URL: servers.redisUrl, DATABASE_URL: servers.databaseUrl },
          CODE_SECRET: TEST_CODE_SECRET,
        }
      : {},
  );
  let peakBytes = 0;
  const hasEnded = () => {
    peakBytes = peakResidentBytes(child.pid) ?? peakBytes;
    return child.exitCode() !== undefined;
  };
  await until(`the end of ${words.join(" ")}`, hasEnded, { withinMs: WITHIN_MS });
  // The process is gone; this waits for the rest of what it has written.
  await child.end("SIGKILL");
  return { code: child.exitCode() ?? -1, output: child.output(), peakBytes };
}

/** Runs `audit --json` and reads what it says. */
export async function runAudit(
  servers: { redisUrl: string; databaseUrl: string },
  ...words: string[]
): Promise<{ code: number; report: AuditReport; peakBytes: number }> {
  const { code, output, peakBytes } = await runCli(servers, "audit", "--json", ...words);
  return { code, peakBytes, report: JSON.parse(output) as AuditReport };
}
