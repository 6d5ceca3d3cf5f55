// `doorbuster user`: accounts, as the operator makes, disables and lists them. Admins are made here only.

import { Argument, type Command, Option } from "commander";
import { gt } from "drizzle-orm";
import { announceEnding } from "../auth/endings.ts";
import { createPasswords } from "../auth/passwords.ts";
import { limits } from "../limits.ts";
import { disableUser, enableUser, setPassword } from "../users/changes.ts";
import { isAcceptableName } from "../users/name.ts";
import { findRow, insertRow, type UserRow } from "../users/rows.ts";
import { users } from "../users/table.ts";
import { CannotRun, type Ending, newCommand, positiveNumber } from "./command.ts";
import { newPassword, showDrawn } from "./secret.ts";
import { type Servers, withServers } from "./servers.ts";

interface Options {
  readonly data: string;
  readonly passwordStdin?: boolean;
}

type Role = "admin" | "seller" | "customer";

const NAME = new Argument("<name>", "the user's name, in any case");
const FROM_INPUT = [
  "--password-stdin",
  "take the password from the first line of standard input; otherwise one is drawn and shown once",
] as const;

async function named({ pool }: Servers, name: string): Promise<UserRow> {
  const user = await findRow(pool.db, name);
  if (!user) throw new CannotRun(`There is no user ${name}. To see all: doorbuster user list`);
  return user;
}

async function hashOf(password: string): Promise<string> {
  const hashed = await createPasswords().hash(password);
  if (hashed === "busy")
    throw new Error("a command that hashes one password has to wait for others");
  return hashed.hash;
}

/** Tells the processes. What is not told they learn from MySQL within a second. */
async function tell({ redis }: Servers, userId: number, since: number | undefined): Promise<void> {
  if (since !== undefined) await announceEnding(redis, userId, since).catch(() => undefined);
}

async function create(
  servers: Servers,
  name: string,
  { role, passwordStdin = false }: Options & { role: Role },
): Promise<number> {
  if (!isAcceptableName(name)) {
    const most = limits.usernameCharsMax;
    throw new CannotRun(`Use 1 to ${most} visible characters, without spaces at the ends.`);
  }
  const chosen = await newPassword(name, passwordStdin);
  const user = { username: name, kind: role, passwordHash: await hashOf(chosen) };
  const outcome = await insertRow(servers.pool.db, user);
  if (outcome === "taken") throw new CannotRun(`The name ${name} is taken. Use another one.`);
  console.log(`Made the ${role} ${name}.`);
  showDrawn(chosen, passwordStdin);
  return 0;
}

async function password(
  servers: Servers,
  name: string,
  { passwordStdin = false }: Options,
): Promise<number> {
  const user = await named(servers, name);
  const chosen = await newPassword(user.username, passwordStdin);
  await tell(servers, user.id, await setPassword(servers.pool.db, user.id, await hashOf(chosen)));
  console.log(`${user.username} has a new password, and must log in again everywhere.`);
  showDrawn(chosen, passwordStdin);
  return 0;
}

async function disable(servers: Servers, name: string): Promise<number> {
  const user = await named(servers, name);
  await tell(servers, user.id, await disableUser(servers.pool.db, user.id));
  console.log(`${user.username} is disabled: no log-in, and no token is good any more.`);
  return 0;
}

async function enable(servers: Servers, name: string): Promise<number> {
  const user = await named(servers, name);
  await enableUser(servers.pool.db, user.id);
  console.log(`${user.username} may log in again.`);
  return 0;
}

async function list(
  { pool: { db } }: Servers,
  { after, limit, json }: { after: number; limit: number; json?: true },
): Promise<number> {
  const rows = await db
    .select()
    .from(users)
    .where(gt(users.id, after))
    .orderBy(users.id)
    .limit(limit + 1);
  const shown = rows.slice(0, limit).map((row) => ({
    id: row.id,
    name: row.username,
    role: row.kind === "saler" ? "seller" : row.kind,
    registered: row.createdAt.toISOString(),
    disabled: row.disabledAt?.toISOString() ?? "",
  }));
  if (json) {
    for (const one of shown) console.log(JSON.stringify(one));
    return 0;
  }
  if (shown.length > 0) {
    const byId = shown.map(({ id, ...rest }) => [`user ${id}`, rest] as const);
    console.log(Bun.inspect.table(Object.fromEntries(byId)));
  } else console.log("There are no users.");
  if (rows.length > limit) console.log(`More: doorbuster user list --after ${shown.at(-1)?.id}`);
  return 0;
}

/** Adds the commands. */
export function addUsers(program: Command, ending: Ending): void {
  const group = program.command("user").description("Makes, disables and lists accounts.");
  const on =
    <Given extends Options>(
      run: (servers: Servers, name: string, options: Given) => Promise<number>,
    ) =>
    (name: string, options: Given) =>
      ending((given: Given) => withServers(given.data, (at) => run(at, name, given)))(options);

  newCommand(group, "create", "Makes an account, such as the first admin.")
    .addArgument(NAME)
    .addOption(
      new Option("--role <role>", "what the user may do")
        .choices(["admin", "seller", "customer"])
        .makeOptionMandatory(),
    )
    .option(...FROM_INPUT)
    .addHelpText("after", "\nExample:\n  doorbuster user create --role admin alice")
    .action(on(create));
  newCommand(group, "password", "Sets a new password and ends all tokens of the user.")
    .addArgument(NAME)
    .option(...FROM_INPUT)
    .addHelpText("after", "\nExample:\n  doorbuster user password alice")
    .action(on(password));
  newCommand(group, "disable", "Ends all tokens of a user and refuses further log-ins.")
    .addArgument(NAME)
    .action(on(disable));
  newCommand(group, "enable", "Lets a disabled user log in again.")
    .addArgument(NAME)
    .action(on(enable));
  newCommand(group, "list", "Lists the accounts.")
    .option("--after <id>", "those with higher ids", positiveNumber, 0)
    .option("--limit <count>", "how many", positiveNumber, limits.cliUsersShown)
    .option("--json", "one JSON object per line")
    .action(
      ending((options: Options & { after: number; limit: number; json?: true }) =>
        withServers(options.data, (at) => list(at, options)),
      ),
    );
}
