// Errors of MySQL and MariaDB by number: the texts differ between the servers. Drizzle wraps the driver's
// error, so the number is looked for along the chain of causes.

/** The server's error number, or undefined when the error did not come from the server. */
export function errnoOf(error: unknown): number | undefined {
  for (let at = error; at instanceof Error; at = at.cause) {
    const { errno, sqlState } = at as { errno?: unknown; sqlState?: unknown };
    if (typeof errno === "number" && typeof sqlState === "string") return errno;
  }
  return undefined;
}

const ER_DUPLICATE = 1062;
export const ER_NO_SUCH_TABLE = 1146;
export const ER_LOCK_WAIT_TIMEOUT = 1205;
export const ER_DEADLOCK = 1213;
export const ER_NO_SUCH_THREAD = 1094;

// Duplicate key, out of range, wrong value, too long, NULL or no value for NOT NULL, a date that is none any more
// after days were added, CHECK violated (MySQL, MariaDB): the row is at fault, and writing it again will fail again.
const DATA_ERRORS = new Set([
  ...[ER_DUPLICATE, 1048, 1264, 1265, 1292, 1364, 1366, 1406, 1441, 3819, 4025],
]);

/** True when the data is at fault; anything else is the server's or the network's state and passes. */
export const isDataError = (error: unknown): boolean => DATA_ERRORS.has(errnoOf(error) ?? 0);

export const isDuplicate = (error: unknown): boolean => errnoOf(error) === ER_DUPLICATE;

/** One line for a log: the driver's message, without the SQL and the values that Drizzle adds. */
export function reasonOf(error: unknown): string {
  let at = error;
  while (at instanceof Error && at.cause instanceof Error) at = at.cause;
  return at instanceof Error ? at.message || at.name : String(at);
}
