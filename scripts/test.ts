// `npm test`: runs the unit tests, then the integration tests against a MySQL or MariaDB of their own, and
// ends with a line that counts. Arguments go to `bun test`, for example a file. DATABASE_URL points the tests at
// another server, on which they make and remove databases of their own.

import { randomBytes } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { runCommand } from "./command.ts";
import { ROOT, say, type TestServers, withTestServers } from "./servers.ts";

const TEST_TIMEOUT_MS = 60_000;

interface Count {
  readonly passed: number;
  readonly failed: number;
}

/** Runs `bun test` and reads what it counted; a run that broke without a failed test, or told nothing, counts as one
 * failure. */
async function runTests(
  part: string[],
  { folder, environment, stop }: TestServers,
): Promise<Count> {
  const report = join(folder, `report-${randomBytes(3).toString("hex")}.xml`);
  const child = Bun.spawn(
    [
      ...[process.execPath, "--no-orphans", "--no-env-file", "test", ...part],
      ...[`--timeout=${TEST_TIMEOUT_MS}`, "--reporter=junit", `--reporter-outfile=${report}`],
    ],
    {
      cwd: ROOT,
      env: { ...process.env, ...environment },
      stdin: "ignore",
      stdout: "inherit",
      stderr: "inherit",
    },
  );
  const passOn = () => child.kill("SIGTERM");
  stop.addEventListener("abort", passOn);
  const code = await child.exited;
  stop.removeEventListener("abort", passOn);
  const head = existsSync(report)
    ? (/<testsuites[^>]*>/.exec(readFileSync(report, "utf8"))?.[0] ?? "")
    : "";
  const attribute = (name: string) => Number(new RegExp(` ${name}="(\\d+)"`).exec(head)?.[1] ?? 0);
  const failed = attribute("failures");
  const passed = attribute("tests") - failed - attribute("skipped");
  return { passed, failed: failed === 0 && (code !== 0 || head === "") ? 1 : failed };
}

async function runAll(servers: TestServers): Promise<number> {
  const filter = process.argv.slice(2);
  const parts = filter.length > 0 ? [filter] : [["./src/"], ["./test/"]];
  let total: Count = { passed: 0, failed: 0 };
  for (const part of parts) {
    if (servers.stop.aborted) break;
    const count = await runTests(part, servers);
    total = { passed: total.passed + count.passed, failed: total.failed + count.failed };
  }
  const stopped = servers.stop.aborted;
  say(
    `${total.passed} passed, ${total.failed} failed${stopped ? ", and then it was stopped" : ""}`,
  );
  return total.failed === 0 && total.passed > 0 && !stopped ? 0 : 1;
}

await runCommand(() => withTestServers(runAll));
