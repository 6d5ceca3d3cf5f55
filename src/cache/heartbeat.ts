// Whether the binlog's connection lives. A quiet server sends nothing, and neither does one that can no longer be
// reached, if nobody has closed the connection: so MySQL is asked for a heartbeat whenever it has nothing else to
// send, and what comes in is counted in bytes, because most of what a busy server sends concerns nobody here.

import type { Connection } from "mysql2";
import { limits } from "../limits.ts";

/** mysql2 has no public name for the socket. */
const bytesOf = (connection: Connection): number =>
  (connection as unknown as { stream: { bytesRead: number } }).stream.bytesRead;

/**
 * Asks for heartbeats on a connection that does not read the binlog yet, and calls `onSilence` once nothing has come
 * for `captureHeartbeatsMissedMax` periods. They are counted in turns of a timer and not by the clock: a process that
 * was stopped itself has heard nothing either. Returns how to end the watch.
 */
export function watchHeartbeat(connection: Connection, onSilence: () => void): () => void {
  // In nanoseconds, by the names that MariaDB and MySQL have for it. If it fails, so does what follows it, and says so.
  const period = limits.captureHeartbeatMs * 1_000_000;
  connection.query(
    `SET @master_heartbeat_period = ${period}, @source_heartbeat_period = ${period}`,
    () => undefined,
  );
  let [seen, missed] = [bytesOf(connection), 0];
  const timer = setInterval(() => {
    const bytes = bytesOf(connection);
    missed = bytes === seen ? missed + 1 : 0;
    seen = bytes;
    if (missed > limits.captureHeartbeatsMissedMax) onSilence();
  }, limits.captureHeartbeatMs);
  return () => clearInterval(timer);
}
