// `bun run bench`: what the service costs and whether its numbers agree under load.

import { writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { runCommand } from "../scripts/command.ts";
import { measureAuditing } from "./auditing.ts";
import { judge, type Results } from "./bars.ts";
import { type BaseLines, meanOf, measureBaseLines } from "./baselines.ts";
import { measureCache } from "./cache.ts";
import { measureDiscounts } from "./discounts.ts";
import { measureEvents } from "./events.ts";
import { GRABS, runGrabs } from "./grabs.ts";
import { measureGrowth } from "./growth.ts";
import { describeMachine } from "./machine.ts";
import { type BenchOptions, type Part, readOptions } from "./options.ts";
import { READS, runReads } from "./reads.ts";
import { measureRecovery } from "./recovery.ts";
import { resultsFile, tablesOf } from "./report.ts";
import { type Bench, Opened, openBench, say } from "./system.ts";
import { measureV1Won, V1_WON } from "./v1.ts";

const RESULTS = new URL("./RESULTS.md", import.meta.url).pathname;
/** The base lines are steady at once. */
const BASE_SECONDS_MAX = 8;

const isGrabs = (part: Part): part is keyof typeof GRABS => part in GRABS;
const isReads = (part: Part): part is keyof typeof READS => part in READS;

async function measureAll(bench: Bench, options: BenchOptions): Promise<Results> {
  const { parts, connections, seconds, warmUpSeconds } = options;
  const run = { connections, seconds, warmUpSeconds };
  const results: { -readonly [Name in keyof Results]: Results[Name] } = {
    ...{ bare: undefined, redis: [], figures: [], growth: undefined, auditing: undefined },
    ...{ recoveries: [], cache: [], discounts: [], events: undefined },
  };
  const base = { connections, seconds: Math.min(seconds, BASE_SECONDS_MAX) };
  let before: BaseLines | undefined;
  for (const part of parts) {
    say(`${part} …`);
    if (part === "base") {
      before = await measureBaseLines(bench, base);
    } else if (part === "growth") {
      results.growth = await measureGrowth(bench, run);
    } else if (part === "audit") {
      results.auditing = await measureAuditing(bench);
    } else if (part === "cache") {
      results.cache = measureCache();
    } else if (part === "discounts") {
      results.discounts = measureDiscounts();
    } else if (part === "events") {
      results.events = await measureEvents(bench);
    } else if (part === "recovery") {
      results.recoveries = await measureRecovery(bench);
    } else if (part === V1_WON) {
      for (const limits of ["off", "on"] as const) {
        results.figures = [...results.figures, ...(await measureV1Won(bench, limits, run))];
      }
    } else if (isReads(part)) {
      results.figures = [...results.figures, await runReads(bench, part, run)];
    } else if (isGrabs(part)) {
      for (const limits of ["off", "on"] as const) {
        results.figures = [...results.figures, await runGrabs(bench, part, limits, run)];
      }
    }
  }
  if (!before) return results;
  say("base again …");
  return { ...results, ...meanOf(before, await measureBaseLines(bench, base)) };
}

/** True when every audit agreed. */
const isSound = ({ figures, growth, auditing, recoveries }: Results): boolean =>
  recoveries.every(({ agrees }) => agrees) &&
  (auditing?.clean ?? true) &&
  [...figures, ...(growth?.legs ?? [])].every(({ audit }) => audit?.agrees ?? true);

async function bench(options: BenchOptions, opened: Opened, stop: AbortSignal): Promise<number> {
  const startedAt = performance.now();
  const opening = await openBench(opened, stop, options.profile);
  const machine = await describeMachine(opening);
  const results = await measureAll(opening, options);
  console.log(`\n${tablesOf(results)}\n`);
  const about = {
    machine,
    command: ["bun run bench", ...process.argv.slice(2)].join(" "),
    date: new Date(),
    minutes: (performance.now() - startedAt) / 60_000,
  };
  if (options.json) {
    const all = { ...about, ...results, bars: judge(results) };
    writeFileSync(resolve(options.json), `${JSON.stringify(all, undefined, 2)}\n`);
  }
  if (options.writesResults) writeFileSync(RESULTS, resultsFile(results, about));
  if (isSound(results)) return 0;
  say("The numbers of a sale do not agree: see the last table.");
  return 1;
}

async function main(): Promise<number> {
  const options = readOptions(process.argv.slice(2));
  if (options === "help") return 0;
  const opened = new Opened();
  const stop = new AbortController();
  const end = () => stop.abort();
  process.on("SIGINT", end);
  process.on("SIGTERM", end);
  try {
    return await bench(options, opened, stop.signal);
  } catch (error) {
    if (stop.signal.aborted) return 130;
    throw error;
  } finally {
    await opened.close();
  }
}

await runCommand(main);
