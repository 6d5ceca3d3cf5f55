import { CannotStart } from "./errors.ts";

export interface LauncherOptions {
  readonly help: boolean;
  readonly demo: boolean;
  readonly dataDir: string;
}

export const HELP = `Doorbuster: a flash-sale service, with a Redis and a MySQL or MariaDB of its own.

  npm start                  start everything; Ctrl-C stops it
  npm start -- --no-demo     without the demo accounts and coupon
  npm start -- --data DIR    keep the data in DIR instead of .data
  npm start -- --help        this text

Settings come from the environment or from a file .env; .env.example lists them all.
  PORT=20081 npm start       another port
  DURABILITY=fast npm start  faster, and a crash of the machine may lose the last second
  REDIS_URL, DATABASE_URL    use these servers instead of starting private ones`;

/** Reads the launcher's arguments. Throws `CannotStart` for one that it does not know. */
export function readOptions(given: readonly string[]): LauncherOptions {
  let [help, demo, dataDir] = [false, true, ".data"];
  const rest = given.flatMap((word) =>
    word.startsWith("--data=") ? ["--data", word.slice("--data=".length)] : [word],
  );
  for (let word = rest.shift(); word !== undefined; word = rest.shift()) {
    if (word === "--help" || word === "-h") help = true;
    else if (word === "--no-demo") demo = false;
    else if (word === "--data") dataDir = rest.shift() ?? "";
    else throw new CannotStart(`There is no option ${word}.\n\n${HELP}`);
  }
  if (dataDir === "")
    throw new CannotStart("--data needs a folder, as in: npm start -- --data DIR");
  return { help, demo, dataDir };
}
