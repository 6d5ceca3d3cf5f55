// A private MySQL or MariaDB on a unix socket. Its data is made once, in a folder beside the final one that
// is renamed when complete: a start that was killed half-way leaves nothing that looks like data.

import { mkdirSync, renameSync, rmSync } from "node:fs";
import { totalmem } from "node:os";
import { join } from "node:path";
import { sql } from "drizzle-orm";
import { openConnection } from "../db/client.ts";
import { errnoOf, reasonOf } from "../db/errors.ts";
import { CannotStart } from "./errors.ts";
import { type Layout, makeSocketFolder, socketFolder } from "./layout.ts";
import { type ServerOptions, ServerProcess } from "./process.ts";
import { type DatabaseProgram, findDatabase, flavourOfData } from "./programs.ts";

/** `urlOf(database)` is for `openPool` and `openConnection`. */
export interface MysqlServer {
  readonly process: ServerProcess;
  urlOf(database: string): string;
  /** Makes the data if there is none, starts the server, waits until it is ready. */
  start(): Promise<void>;
}

// The servers refuse to run as root unless told to; they run as whoever runs the launcher.
const asUser = (): string[] => (process.getuid?.() === 0 ? ["--user=root"] : []);

const MEGABYTE = 2 ** 20;
/**
 * A sixteenth of the machine's memory, in whole 128 MB: codes and users come in no order, so what a grab writes is spread
 * over indexes that should fit. It is taken only as data comes.
 */
const bufferPoolMegabytes = Math.min(
  1_024,
  Math.max(128, Math.floor(totalmem() / MEGABYTE / 16 / 128) * 128),
);

const COMMON = [
  "--skip-networking",
  "--skip-name-resolve",
  "--character-set-server=utf8mb4",
  "--max-connections=400",
  `--innodb-buffer-pool-size=${bufferPoolMegabytes}M`,
  "--innodb-flush-log-at-trx-commit=1",
  // With a binlog, InnoDB's recovery asks it which prepared transactions were committed: both must be on disk.
  "--log-bin=binlog",
  "--sync-binlog=1",
  // Readers of changes get whole rows with the columns' names; nobody needs old ones here.
  "--binlog-row-metadata=FULL",
  "--server-id=1",
  "--max-binlog-size=64M",
  "--binlog-expire-logs-seconds=3600",
];

const OF_FLAVOUR = {
  mariadb: ["--binlog-format=ROW"],
  // ROW is MySQL's only remaining format. Its second protocol would listen on a socket in /tmp, and the
  // folder that packages set for imports need not exist.
  mysql: ["--mysqlx=OFF", "--performance-schema=OFF", "--secure-file-priv=NULL"],
};

// A server that starts removes what it takes for temporary tables of a dead one. In the system's folder they may be
// those of another server on this machine, which is using them.
const ownTemporary = ({ mysqlTemporary }: Layout): string => `--tmpdir=${mysqlTemporary}`;

function serverCommand(program: DatabaseProgram, layout: Layout, socket: string): string[] {
  return [
    program.path,
    "--no-defaults",
    ...asUser(),
    `--datadir=${layout.mysql}`,
    ownTemporary(layout),
    `--socket=${socket}`,
    `--pid-file=${join(layout.mysql, "server.pid")}`,
    ...COMMON,
    ...OF_FLAVOUR[program.flavour],
  ];
}

function initCommand(program: DatabaseProgram, layout: Layout, folder: string): string[] {
  const common = ["--no-defaults", ...asUser(), `--datadir=${folder}`, ownTemporary(layout)];
  return program.flavour === "mariadb"
    ? [
        program.install,
        ...common,
        "--auth-root-authentication-method=normal",
        "--skip-test-db",
        "--skip-name-resolve",
      ]
    : [program.path, ...common, "--secure-file-priv=NULL", "--initialize-insecure"];
}

async function makeData(
  program: DatabaseProgram,
  layout: Layout,
  onSay: (text: string) => void,
): Promise<void> {
  onSay(
    `Making a ${program.flavour === "mariadb" ? "MariaDB" : "MySQL"} database in ${layout.mysql}`,
  );
  const folder = `${layout.mysql}.new`;
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { mode: 0o700 });
  const child = Bun.spawn(initCommand(program, layout, folder), {
    detached: true,
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const [output, faults] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  if ((await child.exited) !== 0) {
    throw new CannotStart(`The database could not be made:\n${(output + faults).trim()}`);
  }
  renameSync(folder, layout.mysql);
}

/** True when it answers a query, false while it is not there yet; throws when it refuses us. */
async function answers(url: string): Promise<boolean> {
  try {
    const connection = await openConnection(url);
    await connection.close();
    return true;
  } catch (error) {
    if (errnoOf(error) === undefined) return false;
    throw new CannotStart(`The database server refuses its own launcher: ${reasonOf(error)}`);
  }
}

/** A database server with its data in the layout's folder, not started yet. Throws `CannotStart` when there is no program for it. */
export function mysqlServer(layout: Layout, options: ServerOptions): MysqlServer {
  const dataFlavour = flavourOfData(layout.mysql);
  const program = findDatabase(dataFlavour);
  if (!program) {
    throw new CannotStart(
      dataFlavour
        ? `${layout.mysql} was made by ${dataFlavour}, which is not on this machine.`
        : "There is neither mariadbd nor mysqld on this machine.",
    );
  }
  const sockets = socketFolder(layout);
  makeSocketFolder(sockets);
  mkdirSync(layout.mysqlTemporary, { recursive: true, mode: 0o700 });
  const socket = join(sockets, "mysql.sock");
  const urlOf = (database: string) =>
    `mysql://root@localhost/${database}?socketPath=${encodeURIComponent(socket)}`;
  const server = new ServerProcess(
    {
      name: program.flavour === "mariadb" ? "mariadbd" : "mysqld",
      command: serverCommand(program, layout, socket),
      socket,
      // MySQL's own. The process in it counts as alive until somebody notes its end.
      lockFile: `${socket}.lock`,
      logFile: layout.mysqlLog,
      isReady: () => answers(urlOf("mysql")),
    },
    options,
  );
  return {
    process: server,
    urlOf,
    async start() {
      if (!dataFlavour) await makeData(program, layout, options.onSay);
      await server.start();
    },
  };
}

/** Makes a database unless it is there. `url` may name another database of that server, such as `mysql`. */
export async function createDatabase(url: string, name: string): Promise<void> {
  await withConnection(
    url,
    sql`CREATE DATABASE IF NOT EXISTS ${sql.identifier(name)} CHARACTER SET utf8mb4`,
  );
}

/** Removes a database and all in it. */
export async function dropDatabase(url: string, name: string): Promise<void> {
  await withConnection(url, sql`DROP DATABASE IF EXISTS ${sql.identifier(name)}`);
}

async function withConnection(url: string, statement: ReturnType<typeof sql>): Promise<void> {
  const connection = await openConnection(url);
  try {
    await connection.db.execute(statement);
  } finally {
    await connection.close();
  }
}
