// The messages between the main thread and the thread that reads the binlog.

export interface CaptureSettings {
  readonly databaseUrl: string;
  readonly redisUrl: string;
  readonly logLevel: string;
}

/** "away": a server does not answer, or the reading has just ended; it begins again by itself. */
export type ReaderState = "reading" | "away" | "unreadable";

export interface ReaderStatus {
  readonly state: ReaderState;
  /** Why it does not read; empty while it does. */
  readonly reason: string;
  /** How long the latest change had been in the binlog before it was read, milliseconds in steps of a second. */
  readonly lagMs: number;
  /** Rows read of the tables that matter, since the thread began. */
  readonly rows: number;
  /** Rows of these that concerned a cache. */
  readonly changes: number;
}

export type ToCapture = { type: "start"; settings: CaptureSettings } | { type: "stop" };

export type FromCapture = { type: "status"; status: ReaderStatus } | { type: "stopped" };
