// MySQL or MariaDB: version, character set, what it does to keep a commit, its binlog, its connections.

import { sql } from "drizzle-orm";
import type { Database } from "../db/client.ts";
import { databaseProblems, databaseWarnings } from "../db/settings.ts";
import { limits } from "../limits.ts";
import { type Check, failure, none, ok, warning } from "./check.ts";

/** For people, backups, monitoring and the launcher. */
const CONNECTIONS_FOR_OTHERS = 10;

export type Variables = ReadonlyMap<string, string>;

/** The variables of a session of ours. Throws when MySQL does not answer. */
async function variablesOf(db: Database): Promise<Variables> {
  const [rows] = await db.execute(sql`SHOW SESSION VARIABLES WHERE Variable_name IN
    ('version', 'transaction_isolation', 'tx_isolation', 'log_bin', 'binlog_format', 'max_connections', 'read_only')`);
  return new Map(
    (rows as unknown as { Variable_name: string; Value: string }[]).map((row) => [
      row.Variable_name,
      row.Value,
    ]),
  );
}

/** `processes` is how many of the service are counted with. Throws when MySQL does not answer. */
export async function checkMysql(
  db: Database,
  { processes }: { processes: number },
): Promise<Check[]> {
  const variables = await variablesOf(db);
  return [
    none("mysql settings", await databaseProblems(db), {
      well: `${variables.get("version")}, utf8mb4`,
      advice: "The service does not start like this.",
    }),
    none("mysql durability", await databaseWarnings(db), {
      well: "a commit is on disk before it is answered",
      advice: "SET GLOBAL for now, and in the server's configuration file for ever.",
      state: warning,
    }),
    judgeIsolation(variables),
    judgeBinlog(variables),
    judgeReadOnly(variables),
    judgeConnections(variables, processes),
  ];
}

export function judgeIsolation(variables: Variables): Check {
  const name = "mysql isolation";
  const level =
    variables.get("transaction_isolation") ?? variables.get("tx_isolation") ?? "unknown";
  if (level === "READ-COMMITTED") return ok(name, `${level} in our sessions`);
  return failure(
    name,
    `${level} in our sessions, which ask for READ-COMMITTED`,
    "Something between the service and MySQL does not pass SET SESSION on, such as a proxy that shares connections: connect directly.",
  );
}

export function judgeBinlog(variables: Variables): Check {
  const name = "mysql binlog";
  if (variables.get("log_bin") !== "ON") {
    return warning(
      name,
      "off",
      "Without it a restored backup cannot be brought up to date: start the server with --log-bin and --sync-binlog=1.",
    );
  }
  // Where the variable is gone, ROW is the only format.
  const format = variables.get("binlog_format") ?? "ROW";
  if (format === "ROW") return ok(name, "on, by rows");
  return warning(
    name,
    `on, in the format ${format}`,
    "SET GLOBAL binlog_format = 'ROW', and in the server's configuration file: under READ COMMITTED only rows are logged faithfully.",
  );
}

function judgeReadOnly(variables: Variables): Check {
  const name = "mysql role";
  const readOnly = variables.get("read_only") ?? "OFF";
  if (readOnly === "OFF") return ok(name, "takes writes");
  return failure(
    name,
    `read_only is ${readOnly}`,
    "Point DATABASE_URL at the primary, or: SET GLOBAL read_only = OFF. Grants would wait in Redis until their bound.",
  );
}

/** Whether MySQL admits the connections that these processes open. */
export function judgeConnections(variables: Variables, processes: number): Check {
  const name = "mysql connections";
  const allowed = Number(variables.get("max_connections") ?? 0);
  const { mysqlPoolConnections, ledgerPoolConnections, ledgerHeartConnections } = limits;
  const { recoveriesAtOnce, shards } = limits;
  const perProcess =
    mysqlPoolConnections + ledgerPoolConnections + ledgerHeartConnections + recoveriesAtOnce;
  // Each shard's writer has a connection, and two of them while a lease changes hands.
  const needed = processes * perProcess + 2 * shards + CONNECTIONS_FOR_OTHERS;
  const found = `max_connections ${allowed}; ${processes} processes and others need up to ${needed}`;
  if (allowed >= needed) return ok(name, found);
  return failure(
    name,
    found,
    `SET GLOBAL max_connections = ${needed * 2}, and in the server's configuration file.`,
  );
}
