// `npm test`: runs all tests, and ends with a line that counts. Files run in two lanes, each with a MySQL or MariaDB of
// its own, so that no test sees what another lane does to a server; what one file prints stays together. Arguments go
// to `bun test`, for example a file, and make one lane, as does DATABASE_URL: it points the tests at another server, on
// which they make and remove databases of their own.

import { randomBytes } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { runCommand } from "./command.ts";
import { linesOf } from "./lines.ts";
import { ROOT, say, type TestServers, withTestServers } from "./servers.ts";

const TEST_TIMEOUT_MS = 60_000;

interface Count {
  readonly passed: number;
  readonly failed: number;
}

const FILES = ["./src/", "./test/"];
/** These measure times while much is going on, and have the machine to themselves, after the lanes. */
const ALONE = ["audit-load", "bad-input", "overload", "faults/load", "faults/redis-link"].map(
  (name) => `test/${name}.test.ts`,
);
/** What `bun test` prints before the tests of a file. */
const FILE_LINE = /^\S+\.test\.ts:$/;

/** Prints what `bun test` says, the lines of a file at once when it comes to the next one. */
async function printByFile(streams: readonly ReadableStream<Uint8Array>[]): Promise<void> {
  let lines: string[] = [];
  const print = () => {
    if (lines.length > 0) say(lines.join("\n"));
    lines = [];
  };
  const read = async (stream: ReadableStream<Uint8Array>) => {
    for await (const line of linesOf(stream)) {
      if (FILE_LINE.test(line)) print();
      lines.push(line);
    }
  };
  await Promise.all(streams.map(read));
  print();
}

/**
 * Runs `bun test` and reads what it counted; a run that broke without a failed test, or told nothing, counts as one
 * failure. What it prints is seen at once, and in a lane file by file.
 */
async function runTests(
  part: readonly string[],
  { folder, environment, stop }: TestServers,
  inLane = false,
): Promise<Count> {
  if (stop.aborted) return { passed: 0, failed: 0 };
  const output = inLane ? "pipe" : "inherit";
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
      stdout: output,
      stderr: output,
    },
  );
  const passOn = () => child.kill("SIGTERM");
  stop.addEventListener("abort", passOn);
  const streams = [child.stdout, child.stderr].filter((stream) => stream instanceof ReadableStream);
  const [code] = await Promise.all([child.exited, printByFile(streams)]);
  stop.removeEventListener("abort", passOn);
  const head = existsSync(report)
    ? (/<testsuites[^>]*>/.exec(readFileSync(report, "utf8"))?.[0] ?? "")
    : "";
  const attribute = (name: string) => Number(new RegExp(` ${name}="(\\d+)"`).exec(head)?.[1] ?? 0);
  const failed = attribute("failures");
  const passed = attribute("tests") - failed - attribute("skipped");
  return { passed, failed: failed === 0 && (code !== 0 || head === "") ? 1 : failed };
}

const sum = (counts: readonly Count[]): Count => ({
  passed: counts.reduce((all, { passed }) => all + passed, 0),
  failed: counts.reduce((all, { failed }) => all + failed, 0),
});

/** Two lanes side by side, and then those that want to be alone. */
async function runLanes(one: TestServers, two: TestServers): Promise<Count> {
  // Before the second server was there, perhaps, which has not heard of it then.
  if (one.stop.aborted) return sum([]);
  const files = [...FILES, ...ALONE.map((path) => `--path-ignore-patterns=${path}`)];
  const both = await Promise.all([
    runTests([...files, "--shard=1/2"], one, true),
    runTests([...files, "--shard=2/2"], two, true),
  ]);
  return sum([
    ...both,
    await runTests(
      ALONE.map((path) => `./${path}`),
      one,
    ),
  ]);
}

/** Says what was counted, in the last line, and gives the exit code. */
function conclude({ passed, failed }: Count, stopped: boolean): number {
  say(`${passed} passed, ${failed} failed${stopped ? ", and then it was stopped" : ""}`);
  return failed === 0 && passed > 0 && !stopped ? 0 : 1;
}

await runCommand(() => {
  const filter = process.argv.slice(2);
  const inLanes = filter.length === 0 && !process.env.DATABASE_URL;
  return withTestServers(async (one) => {
    const count = inLanes
      ? await withTestServers((two) => runLanes(one, two))
      : await runTests(filter.length > 0 ? filter : FILES, one);
    return conclude(count, one.stop.aborted);
  });
});
