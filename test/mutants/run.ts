// Runs chosen tests of a copy, and reads what became of each from Bun's report.

import { randomBytes } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { TestServers } from "../../scripts/servers.ts";

/** One test by its file, from the root of the tree, and its title without those of the groups around it. */
export interface TestName {
  readonly file: string;
  readonly title: string;
}

export interface TestOutcome extends TestName {
  readonly seconds: number;
  /** Absent when it passed. */
  readonly failure?: { readonly type: string; readonly message: string };
}

const TEST_TIMEOUT_MS = 60_000;
/** Starting, and stopping the servers, of a run whose every test takes as long as it may. */
const RUN_TIMEOUT_MS = 150_000;

const quoted = (text: string): string => text.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&");

/** Runs these tests in the tree at `folder`; undefined when the run did not end in time and was killed. */
export async function runTests(
  folder: string,
  tests: readonly TestName[],
  servers: TestServers,
): Promise<TestOutcome[] | undefined> {
  const report = join(servers.folder, `report-${randomBytes(3).toString("hex")}.xml`);
  const files = [...new Set(tests.map(({ file }) => `./${file}`))];
  const titles = tests.map(({ title }) => quoted(title)).join("|");
  const child = Bun.spawn(
    [
      ...[process.execPath, "--no-orphans", "--no-env-file", "test", ...files, "-t", titles],
      ...[`--timeout=${TEST_TIMEOUT_MS}`, "--reporter=junit", `--reporter-outfile=${report}`],
    ],
    {
      cwd: folder,
      env: { ...process.env, ...servers.environment },
      stdin: "ignore",
      stdout: "ignore",
      stderr: "ignore",
    },
  );
  let late = false;
  const stop = () => child.kill("SIGKILL");
  const timer = setTimeout(() => {
    late = true;
    stop();
  }, RUN_TIMEOUT_MS);
  servers.stop.addEventListener("abort", stop);
  await child.exited;
  clearTimeout(timer);
  servers.stop.removeEventListener("abort", stop);
  if (late) return undefined;
  return existsSync(report) ? outcomesIn(readFileSync(report, "utf8")) : [];
}

const ENTITIES: Record<string, string> = { lt: "<", gt: ">", amp: "&", quot: '"', apos: "'" };

const decoded = (text: string): string =>
  text.replaceAll(/&(?:#(\d+)|(\w+));/g, (whole, code?: string, name?: string) =>
    code ? String.fromCodePoint(Number(code)) : (ENTITIES[name ?? ""] ?? whole),
  );

/** What a report in JUnit's format says of the tests that were not left out. */
export function outcomesIn(report: string): TestOutcome[] {
  const cases = report.matchAll(/<testcase ([^>]*?)(?:\/>|>([\s\S]*?)<\/testcase>)/g);
  return [...cases].flatMap(([, head = "", body = ""]) => {
    if (body.includes("<skipped")) return [];
    const attribute = (text: string, name: string) =>
      decoded(new RegExp(`(?:^|\\s)${name}="([^"]*)"`).exec(text)?.[1] ?? "");
    const failure = /<failure ([^>]*)>/.exec(body)?.[1];
    return [
      {
        file: attribute(head, "file"),
        title: attribute(head, "name"),
        seconds: Number(attribute(head, "time")),
        ...(failure === undefined
          ? {}
          : {
              failure: {
                type: attribute(failure, "type"),
                message: attribute(failure, "message"),
              },
            }),
      },
    ];
  });
}

/**
 * The compiler's first complaint about the product at `folder`, or undefined; only that is edited. Names that a
 * mutant leaves unused are none.
 */
export async function typeProblem(folder: string): Promise<string | undefined> {
  const child = Bun.spawn(
    [
      ...[process.execPath, "node_modules/.bin/tsc", "--noEmit", "--pretty", "false"],
      ...["--noUnusedLocals", "false", "--noUnusedParameters", "false"],
    ],
    { cwd: folder, stdin: "ignore", stdout: "pipe", stderr: "pipe" },
  );
  const [said, fault] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  const code = await child.exited;
  if (code !== 0 && !said.includes("error TS")) return `the compiler did not run: ${fault}`;
  return said.split("\n").find((line) => line.startsWith("src/"));
}
