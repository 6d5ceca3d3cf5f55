// Tells an outage, which passes and is answered 503, from a bug, which is answered 500. The drivers have no
// common sign for it: ioredis throws plain errors, known by their text; Redis's own replies start with a
// word; mysql2 passes on system codes and MySQL's numbers; Drizzle wraps those.

import { errnoOf } from "./db/errors.ts";
import { Overloaded } from "./overloaded.ts";

const CLIENT_TEXTS = [
  // ioredis
  "Connection is closed.",
  "Command timed out",
  "Stream isn't writeable",
  "Reached the max retries per request limit",
  "connect ETIMEDOUT",
  // mysql2
  "Connection lost",
  "Can't add new command when connection is in closed state",
  "Queue limit reached",
  "No connections available",
  "Pool is closed",
];

const REDIS_WORDS =
  /^(LOADING|READONLY|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|BUSY|OOM|MISCONF|NOREPLICAS|NOSCRIPT|UNBLOCKED|EXECABORT)\b/;

const SYSTEM_CODES = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "ECONNABORTED",
  "EPIPE",
  "ETIMEDOUT",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ENOTFOUND",
  "EAI_AGAIN",
  "ENOENT",
  "PROTOCOL_CONNECTION_LOST",
  "PROTOCOL_SEQUENCE_TIMEOUT",
]);

// MySQL and MariaDB: disk full, too many connections, shutting down, too many hosts' errors, network,
// lock waits and deadlocks, table full, read-only, interrupted, connection killed, statement timeouts.
const MYSQL_NUMBERS = new Set([
  1021, 1040, 1053, 1114, 1129, 1158, 1159, 1160, 1161, 1203, 1205, 1213, 1290, 1317, 1836, 1927,
  1969, 3024,
]);

function isOutageItself(error: Error): boolean {
  const { code } = error as { code?: unknown };
  return (
    error instanceof Overloaded ||
    (typeof code === "string" && SYSTEM_CODES.has(code)) ||
    CLIENT_TEXTS.some((text) => error.message.startsWith(text)) ||
    REDIS_WORDS.test(error.message)
  );
}

/** True when the same request may succeed later, because a server or a connection was at fault. */
export function isOutage(error: unknown): boolean {
  const errno = errnoOf(error);
  if (errno !== undefined && MYSQL_NUMBERS.has(errno)) return true;
  for (let at = error; at instanceof Error; at = at.cause) if (isOutageItself(at)) return true;
  return false;
}
