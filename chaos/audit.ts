// The service's own audit, as an operator runs it: what it finds counts, and so does that it could not run.

import type { Findings } from "./findings.ts";
import type { ChaosSystem } from "./system.ts";

const ROOT = new URL("..", import.meta.url).pathname;
/** A longer run has more to be read. */
const auditMsMax = (seconds: number): number => 40_000 + seconds * 70;

interface AuditReport {
  readonly findings: readonly object[];
}

/** Audits what a run of so many seconds has left. */
export async function checkAudit(
  system: ChaosSystem,
  seconds: number,
  findings: Findings,
): Promise<void> {
  const { PATH = "", HOME = "" } = process.env;
  const child = Bun.spawn(
    [process.execPath, "--no-orphans", "--no-env-file", "src/cli/main.ts", "audit", "--json"],
    {
      ...{ cwd: ROOT, stdin: "ignore", stdout: "pipe", stderr: "pipe" },
      timeout: auditMsMax(seconds),
      env: {
        ...{ PATH, HOME, REDIS_URL: system.redisUrl, DATABASE_URL: system.databaseUrl },
        CODE_SECRET: system.codeSecret,
      },
    },
  );
  const [output, complaint] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  const code = await child.exited;
  if (code === 0) return;
  if (code !== 1) {
    findings.add("audit", `it could not run (${code}): ${complaint.trim().slice(0, 500)}`);
    return;
  }
  const report = JSON.parse(output) as AuditReport;
  for (const finding of report.findings) findings.add("audit", JSON.stringify(finding));
}
