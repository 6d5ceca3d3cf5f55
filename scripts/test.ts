// `npm test`: runs the unit tests, then the integration tests against a MySQL or MariaDB of their own, and
// ends with a line that counts. Arguments go to `bun test`, for example a file. DATABASE_URL points the
// tests at another server, on which they make and remove databases of their own.

import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { CannotStart } from "../src/embedded/errors.ts";
import { ensureServers } from "../src/embedded/install.ts";
import { layoutOf } from "../src/embedded/layout.ts";
import { mysqlServer } from "../src/embedded/mysql.ts";

const ROOT = new URL("..", import.meta.url).pathname;
const ALL = join(ROOT, ".data/test");
const TEST_TIMEOUT_MS = 60_000;

interface Count {
  readonly passed: number;
  readonly failed: number;
}

const say = (text: string) => console.log(text);

/** Folders are named after the process, so that those of runs that were killed can be told and removed. */
function makeFolder(): string {
  mkdirSync(ALL, { recursive: true, mode: 0o700 });
  for (const name of readdirSync(ALL)) {
    if (!isAlive(Number(name.split("-")[0]))) {
      rmSync(join(ALL, name), { recursive: true, force: true });
    }
  }
  const folder = join(ALL, `${process.pid}-${randomBytes(3).toString("hex")}`);
  mkdirSync(join(folder, "shared"), { recursive: true, mode: 0o700 });
  return folder;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** Runs `bun test` and reads what it counted; a run that broke without a failed test counts as one failure. */
async function runTests(
  part: string[],
  folder: string,
  environment: Record<string, string>,
  stop: AbortSignal,
): Promise<Count> {
  const report = join(folder, `report-${randomBytes(3).toString("hex")}.xml`);
  const child = Bun.spawn(
    [
      ...[process.execPath, "--no-orphans", "--no-env-file", "test", ...part],
      ...[`--timeout=${TEST_TIMEOUT_MS}`, "--reporter=junit", `--reporter-outfile=${report}`],
    ],
    {
      cwd: ROOT,
      env: { ...process.env, ...environment, TEST_FOLDER: folder },
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
  return { passed, failed: failed === 0 && code !== 0 ? 1 : failed };
}

async function main(): Promise<number> {
  const given = process.env.DATABASE_URL;
  await ensureServers({ redis: true, mysql: !given }, say);
  const folder = makeFolder();
  const stop = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    // The tests end, and this process stays to tidy up.
    process.on(signal, () => stop.abort());
  }
  const mysql = given
    ? undefined
    : mysqlServer(layoutOf(join(folder, "shared")), { keepUp: true, onSay: say });
  try {
    await mysql?.start();
    const DATABASE_URL = given ?? mysql?.urlOf("mysql") ?? "";
    const filter = process.argv.slice(2);
    const parts = filter.length > 0 ? [filter] : [["./src/"], ["./test/"]];
    let total: Count = { passed: 0, failed: 0 };
    for (const part of parts) {
      if (stop.signal.aborted) break;
      const count = await runTests(part, folder, { DATABASE_URL }, stop.signal);
      total = { passed: total.passed + count.passed, failed: total.failed + count.failed };
    }
    const stopped = stop.signal.aborted;
    say(
      `${total.passed} passed, ${total.failed} failed${stopped ? ", and then it was stopped" : ""}`,
    );
    return total.failed === 0 && total.passed > 0 && !stopped ? 0 : 1;
  } finally {
    await mysql?.process.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

try {
  process.exit(await main());
} catch (error) {
  if (!(error instanceof CannotStart)) throw error;
  console.error(error.message);
  process.exit(1);
}
