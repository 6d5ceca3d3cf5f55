// `doorbuster doctor`: looks at the servers and at the service before a sale, and says what to do.

import { existsSync } from "node:fs";
import type { Command } from "commander";
import { systemClock } from "../clock.ts";
import { type ConfigResult, lookAtSecrets, readConfig } from "../config.ts";
import type { Check, CheckState } from "../doctor/check.ts";
import { examine } from "../doctor/examine.ts";
import { layoutOf } from "../embedded/layout.ts";
import { loadSecrets } from "../embedded/secrets.ts";
import { createLog } from "../log.ts";
import { type Ending, newCommand, saleId } from "./command.ts";
import { findServers } from "./servers.ts";

const FAILURES = 1;

interface DoctorOptions {
  readonly data: string;
  readonly sale?: number;
  readonly json?: true;
}

/** Exit code 0 when nothing fails, also with warnings; 1 when something does. Throws `CannotRun`. */
async function doctor({ data, sale, json }: DoctorOptions): Promise<number> {
  const servers = findServers(data);
  const { secrets: file } = layoutOf(data);
  const secrets = existsSync(file) ? { ...loadSecrets(file) } : {};
  const settings = readConfig({
    ...secrets,
    REDIS_URL: servers.redisUrl,
    DATABASE_URL: servers.databaseUrl,
  });
  const { durability } = settings.ok ? settings.config : settings.servers;
  const checks = await examine({
    ...{ ...servers, durability, clock: systemClock, log: createLog("silent") },
    ...{ secrets: lookAtSecrets(secrets), settingsProblems: problemsOf(settings), saleId: sale },
  });
  console.log(json ? JSON.stringify({ ...countsOf(checks), checks }, null, 2) : inWords(checks));
  return checks.some(({ state }) => state === "failure") ? FAILURES : 0;
}

/** The secrets have checks of their own. */
const problemsOf = (settings: ConfigResult): string[] =>
  settings.ok ? [] : settings.problems.filter((problem) => !/^(?:JWT|CODE)_SECRET /.test(problem));

const MARK: Record<CheckState, string> = { ok: "ok", warning: "warning", failure: "FAILURE" };

const INDENT = " ".repeat(Math.max(...Object.values(MARK).map((mark) => mark.length)) + 2);

/** One line for each check; under those that are not ok, what to do. */
function inWords(checks: readonly Check[]): string {
  const nameWidth = Math.max(...checks.map(({ name }) => name.length));
  const lines = checks.flatMap(({ name, state, found, advice }) => [
    `${MARK[state].padEnd(INDENT.length)}${name.padEnd(nameWidth)}  ${found}`,
    ...(advice ? [`${INDENT}-> ${advice}`] : []),
  ]);
  const { ok, warnings, failures } = countsOf(checks);
  const sum = `${ok} ok, ${counted(warnings, "warning")}, ${counted(failures, "failure")}`;
  return [...lines, "", sum].join("\n");
}

const counted = (number: number, what: string): string =>
  `${number} ${what}${number === 1 ? "" : "s"}`;

function countsOf(checks: readonly Check[]) {
  const count = (wanted: CheckState) => checks.filter(({ state }) => state === wanted).length;
  return { ok: count("ok"), warnings: count("warning"), failures: count("failure") };
}

/** Adds the command. */
export function addDoctor(program: Command, ending: Ending): void {
  newCommand(program, "doctor", "look at the servers and the service before a sale")
    .option("--sale <id>", "look at this sale as well", saleId)
    .option("--json", "print the checks as JSON")
    .action(ending(doctor));
}
