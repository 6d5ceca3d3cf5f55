// `bun run chaos`: does everything to the service that can happen to it, and checks that its promises hold.

import { writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { runCommand } from "../scripts/command.ts";
import { check } from "./check.ts";
import { type ChaosOptions, readOptions } from "./options.ts";
import { reportOf, textOf } from "./report.ts";
import { run } from "./run.ts";
import { type ChaosSystem, openSystem, say } from "./system.ts";

const SERVICE = new URL("..", import.meta.url).pathname;

/** The command that plays this run again. */
function replayOf({ seed, seconds, loss, service }: ChaosOptions): string {
  const more = [loss ? " --loss" : "", service === resolve(SERVICE) ? "" : ` --service ${service}`];
  return `bun run chaos --seconds ${seconds} --seed ${seed}${more.join("")}`;
}

/** A run ends at once when it is stopped, also in the middle of a fault. */
const stopped = (stop: AbortSignal): Promise<never> =>
  new Promise((_, reject) => {
    stop.addEventListener("abort", () => reject(stop.reason), { once: true });
  });

/** What a run may take with its start, calm and checks; then it ends as one that nothing can be said of. */
const runSecondsMax = (seconds: number): number => 100 + seconds * 1.25;

async function overdue(seconds: number): Promise<never> {
  const secondsMax = runSecondsMax(seconds);
  // Counted from the start of this process.
  await Bun.sleep(Math.max(0, secondsMax * 1_000 - performance.now()));
  throw new Error(`the run has not ended within ${secondsMax} s`);
}

async function runAndCheck(system: ChaosSystem, options: ChaosOptions) {
  const ran = await run(system, options);
  return { ran, checked: await check(system, ran, options) };
}

async function chaos(options: ChaosOptions, stop: AbortSignal): Promise<number> {
  const { seed, service, json } = options;
  say(`seed ${seed}, ${options.seconds} s of faults; again: ${replayOf(options)}`);
  const system = await openSystem({ seed, service, stop });
  for (const [kind, why] of system.cannot) say(`without "${kind}": ${why}`);
  let sound = false;
  try {
    const { ran, checked } = await Promise.race([
      runAndCheck(system, options),
      overdue(options.seconds),
      stopped(stop),
    ]);
    const report = reportOf(ran, checked, system.cannot, options);
    console.log(`\n${textOf(report)}`);
    if (json) writeFileSync(resolve(json), `${JSON.stringify(report, undefined, 2)}\n`);
    sound = report.findings.length === 0;
  } finally {
    const keep = options.keep || (!sound && !stop.aborted);
    await system.close(keep);
    if (keep) say(`The history and the logs are in ${system.folder}`);
    if (!sound) say(`Again: ${replayOf(options)}`);
  }
  return sound ? 0 : 1;
}

async function main(): Promise<number> {
  const options = readOptions(process.argv.slice(2));
  if (options === "help") return 0;
  const stop = new AbortController();
  const end = () => stop.abort();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, end);
  try {
    return await chaos(options, stop.signal);
  } catch (error) {
    if (stop.signal.aborted) return 130;
    throw error;
  }
}

await runCommand(main);
