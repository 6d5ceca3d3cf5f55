// `bun run fuzz`: what test/v1-fuzz.test.ts does, with a seed and as many requests as one likes.

import { runCommand } from "../../scripts/command.ts";
import { say, type TestServers, withTestServers } from "../../scripts/servers.ts";
import { CannotStart } from "../../src/embedded/errors.ts";
import { stopEverything } from "../harness/servers.ts";
import { type FuzzOptions, readOptions } from "./options.ts";
import { reportText } from "./report.ts";
import { fuzz } from "./run.ts";
import { startFuzzed } from "./world.ts";

const stopped = (stop: AbortSignal): Promise<never> =>
  new Promise((_, reject) => {
    stop.addEventListener("abort", () => reject(new CannotStart("Stopped.")), { once: true });
  });

async function run({ environment, stop }: TestServers, options: FuzzOptions): Promise<number> {
  // Where the harness finds the servers of this run.
  Object.assign(process.env, environment);
  say(`seed ${options.seed}`);
  try {
    const whole = startFuzzed().then((fuzzed) => fuzz(fuzzed, options));
    const report = await Promise.race([whole, stopped(stop)]);
    say(reportText(report, options.seed));
    return report.failures.length === 0 ? 0 : 1;
  } finally {
    await stopEverything();
  }
}

await runCommand(() => {
  const options = readOptions(process.argv.slice(2));
  return options === "help" ? 0 : withTestServers((servers) => run(servers, options));
});
