// `doorbuster key`: keys of other services, as the operator makes and revokes them.

import type { Command } from "commander";
import { createServiceKey, listServiceKeys, revokeServiceKey } from "../auth/keys.ts";
import { limits } from "../limits.ts";
import { isAcceptableName } from "../users/name.ts";
import { CannotRun, type Ending, newCommand } from "./command.ts";
import { type Servers, withServers } from "./servers.ts";

interface Options {
  data: string;
}

const SOON = `within ${limits.serviceKeyTrustMs / 1_000} seconds`;

async function create({ pool: { db } }: Servers, name: string): Promise<number> {
  if (!isAcceptableName(name)) {
    throw new CannotRun(`Use a name of 1 to ${limits.usernameCharsMax} visible characters.`);
  }
  const made = await createServiceKey(db, name);
  if (made === "taken") {
    throw new CannotRun(`There is or was a key ${name}. Use another name, such as ${name}-2.`);
  }
  if (made === "full") {
    throw new CannotRun(`There are ${limits.serviceKeysMax} keys. Revoke one that nobody uses.`);
  }
  console.log(`Made the key ${name}. It is shown only now, and works ${SOON}:`);
  console.log(made.key);
  return 0;
}

async function list({ pool: { db } }: Servers): Promise<number> {
  const keys = await listServiceKeys(db);
  if (keys.length === 0)
    console.log("There are no keys. To make one: doorbuster key create <name>");
  else {
    const rows = keys.map(({ id, name, createdAt, revokedAt }) => [
      `key ${id}`,
      { name, made: createdAt.toISOString(), revoked: revokedAt?.toISOString() ?? "" },
    ]);
    console.log(Bun.inspect.table(Object.fromEntries(rows)));
  }
  return 0;
}

async function revoke({ pool: { db } }: Servers, name: string): Promise<number> {
  if (!(await revokeServiceKey(db, name))) {
    throw new CannotRun(`There is no key ${name} to revoke. To see all: doorbuster key list`);
  }
  console.log(`Revoked the key ${name}. No process takes it any more ${SOON}.`);
  return 0;
}

/** Adds the commands. */
export function addKeys(program: Command, ending: Ending): void {
  const group = program.command("key").description("Makes, lists and revokes keys of services.");
  const on =
    (run: (servers: Servers, name: string) => Promise<number>) =>
    (name: string, options: Options) =>
      ending(({ data }: Options) => withServers(data, (at) => run(at, name)))(options);

  newCommand(group, "create", "Makes a key and shows it once.")
    .argument("<name>", "which service it is for")
    .addHelpText("after", "\nExample:\n  doorbuster key create checkout")
    .action(on(create));
  newCommand(group, "list", "Lists the keys: their names, never themselves.").action(
    ending(({ data }: Options) => withServers(data, list)),
  );
  newCommand(group, "revoke", "Ends a key for good.")
    .argument("<name>", "its name")
    .action(on(revoke));
}
