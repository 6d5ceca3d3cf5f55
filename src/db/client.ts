// How this service talks to MySQL or MariaDB: one pool per thread through Drizzle, and single connections
// for whoever needs a lock or a lease of its own.

import { drizzle, type MySql2Database } from "drizzle-orm/mysql2";
import {
  type Connection,
  type ConnectionOptions,
  createConnection,
  createPool,
  type Pool,
} from "mysql2";
import { limits } from "../limits.ts";

export type Database = MySql2Database;
export type Transaction = Parameters<Parameters<Database["transaction"]>[0]>[0];

/** The Drizzle face of a pool. */
export type PooledDatabase = Database & { readonly $client: Pool };

/** A pool with its Drizzle face. */
export interface DatabasePool {
  readonly db: PooledDatabase;
  readonly pool: Pool;
  close(): Promise<void>;
}

/** One connection with its Drizzle face; `threadId` is MySQL's id of it, for KILL. */
export interface DatabaseConnection {
  readonly db: Database;
  readonly threadId: number;
  close(): Promise<void>;
  /** Drops the socket without a goodbye; for a connection that no longer answers. */
  destroy(): void;
}

// READ COMMITTED, because the ledger reads what others have just committed and gap locks only cost; UTC,
// because DATETIME has no zone; strict, because a value that was cut to fit is a wrong grant.
const sessionOf = (lockWaitSeconds: number): string[] => [
  "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
  `SET SESSION time_zone = '+00:00', innodb_lock_wait_timeout = ${lockWaitSeconds},
    sql_mode = 'STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION,ERROR_FOR_DIVISION_BY_ZERO'`,
];

/** For whoever opens a connection by another way than the functions below. */
export const connectionOptions = (url: string): ConnectionOptions => ({
  uri: url,
  connectTimeout: limits.mysqlConnectTimeoutMs,
  charset: "utf8mb4",
  timezone: "Z",
  supportBigNumbers: true,
  enableKeepAlive: true,
  // A stack for every query, in case it fails, is dear; an error's own text and its statement tell enough.
  trace: false,
});

interface Command {
  timeout?: number;
  onResult?: (error: (Error & { code?: string }) | null, ...rest: unknown[]) => void;
}

/**
 * Gives every query of a connection a time limit. mysql2 takes it per query only, and Drizzle has no place
 * for it; and a connection whose answer is overdue is of no more use: the next query would wait behind it.
 */
function limitTime(connection: Connection, milliseconds: number): void {
  const query = connection.query.bind(connection) as (...args: unknown[]) => Command;
  connection.query = ((first: string | object, ...rest: unknown[]) => {
    // The pool hands over a command that is made already, everybody else a text or options.
    const made = typeof first === "object" && "onResult" in first;
    if (made) (first as Command).timeout ??= milliseconds;
    const options = typeof first === "string" ? { sql: first } : first;
    const command = query(made ? first : { timeout: milliseconds, ...options }, ...rest);
    const { onResult } = command;
    if (onResult) {
      command.onResult = (error, ...results) => {
        if (error?.code === "PROTOCOL_SEQUENCE_TIMEOUT") connection.destroy();
        onResult(error, ...results);
      };
    }
    return command;
  }) as unknown as Connection["query"];
}

/**
 * Opens a pool; connections are made when first needed. `connections` is its size. Asking while all are
 * busy waits, at most `mysqlPoolWaitersMax` at a time; one more is refused at once.
 *
 * A process that is stopped in the middle of a transaction keeps its locks for `silenceSeconds` at most: then the
 * server ends the connection. In a pool of several, one that nobody needs is closed here before that.
 */
export function openPool(
  url: string,
  connections: number,
  silenceSeconds: number = limits.mysqlPoolSilenceSeconds,
): DatabasePool {
  const pool = createPool({
    ...connectionOptions(url),
    connectionLimit: connections,
    queueLimit: limits.mysqlPoolWaitersMax,
    // The time counts only for a pool that does not want to keep all.
    maxIdle: Math.max(1, connections - 1),
    idleTimeout: (silenceSeconds * 1_000) / 2,
    gracefulEnd: true,
  });
  const session = [
    ...sessionOf(limits.mysqlLockWaitSeconds),
    `SET SESSION wait_timeout = ${silenceSeconds}`,
  ];
  pool.on("connection", (connection) => {
    limitTime(connection, limits.mysqlQueryTimeoutMs);
    // A failure here surfaces in the query that follows on the same connection.
    for (const statement of session) connection.query(statement, () => undefined);
  });
  const db = drizzle({ client: pool });
  return {
    db,
    pool,
    close: () =>
      new Promise((resolve, reject) => pool.end((error) => (error ? reject(error) : resolve()))),
  };
}

/** Opens one connection and prepares its session. Throws when MySQL does not answer in time. */
export async function openConnection(
  url: string,
  {
    queryTimeoutMs = limits.mysqlQueryTimeoutMs,
    lockWaitSeconds = limits.mysqlLockWaitSeconds,
  }: { queryTimeoutMs?: number; lockWaitSeconds?: number } = {},
): Promise<DatabaseConnection> {
  const connection = createConnection(connectionOptions(url));
  limitTime(connection, queryTimeoutMs);
  // Without a listener a lost connection would end the process; the next query reports it.
  connection.on("error", () => undefined);
  const face = connection.promise();
  for (const statement of sessionOf(lockWaitSeconds)) await face.query(statement);
  return {
    db: drizzle({ client: connection }),
    threadId: connection.threadId ?? 0,
    close: () => face.end(),
    destroy: () => connection.destroy(),
  };
}

/** How much of a pool is in use, and how many wait; mysql2 counts them without a public name. */
export function poolGauges({ pool }: DatabasePool) {
  const inside = pool as unknown as {
    _connectionQueue?: { length: number };
    _allConnections?: { length: number };
    _freeConnections?: { length: number };
  };
  return {
    poolWaiting: () => inside._connectionQueue?.length ?? 0,
    poolBusy: () => (inside._allConnections?.length ?? 0) - (inside._freeConnections?.length ?? 0),
  };
}

/**
 * The rows of a statement without parameters, with times as the text that they come as. Drizzle calls a function for
 * each value that it reads; this is for what is read so often that it shows.
 */
export const plainRows = <Row extends object>(
  { $client }: PooledDatabase,
  text: string,
): Promise<Row[]> =>
  new Promise((resolve, reject) => {
    $client.query({ sql: text, dateStrings: true }, (error, rows) => {
      if (error) reject(error);
      else resolve(rows as Row[]);
    });
  });
