// Requests drawn from the OpenAPI document, right ones and ones with a single thing wrong. `bun run fuzz --seed` draws
// those of a run again.

import { afterAll, expect, test } from "bun:test";
import { randomInt } from "node:crypto";
import { neverDone, reportText } from "./fuzz/report.ts";
import { fuzz } from "./fuzz/run.ts";
import { startFuzzed } from "./fuzz/world.ts";
import { stopEverything } from "./harness/servers.ts";

afterAll(stopEverything);

const REQUESTS = 20_000;
const WITHIN_MS = 300_000;

test(
  `${REQUESTS} requests are answered as documented, soundly, and without a word too many`,
  async () => {
    const seed = String(randomInt(1_000_000_000));
    console.log(`seed ${seed}`);
    const report = await fuzz(await startFuzzed(), { seed, requests: REQUESTS });
    console.log(reportText(report, seed));
    expect(report.failures.map(({ operation, check }) => `${operation}: ${check}`)).toEqual([]);
    // What is only ever refused has not been looked at.
    expect(neverDone(report)).toEqual([]);
  },
  WITHIN_MS,
);
