// `npm start`: a Redis, a MySQL or MariaDB and the service, in one go, on a machine that has none of them.

import { CannotStart } from "./errors.ts";
import { launch } from "./launch.ts";
import { HELP, readOptions } from "./options.ts";

const say = (text: string) => console.log(text);

const stop = new AbortController();
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  // The handler stays for good: a second Ctrl-C must not cut the orderly stop short.
  process.on(signal, () => stop.abort(signal));
}

async function main(): Promise<void> {
  const options = readOptions(process.argv.slice(2));
  if (options.help) return say(HELP);
  // Without it, servers would go on for ever after this process was killed.
  if (!process.execArgv.includes("--no-orphans")) {
    throw new CannotStart(
      "Start it with: npm start, bun start, or bun --no-orphans src/embedded/start.ts",
    );
  }
  await launch(options, stop.signal, say);
}

try {
  await main();
  process.exit(0);
} catch (error) {
  if (!(error instanceof CannotStart)) throw error;
  console.error(error.message);
  process.exit(1);
}
