// Reads the binlog from one position on and tells of what concerns the caches: at once, and again when it is settled
// (pending.ts). The position is kept in Redis, behind everything that was told: a Redis that was emptied or set back
// has lost or set back the position with the entries, so what it forgot is read again; and whoever finds no position
// tells that everything may have changed.

import ZongJi, { type AnyBinlogEvent } from "@vlasky/zongji";
import { connectionOptions, type DatabaseConnection } from "../db/client.ts";
import { ER_LOCK_WAIT_TIMEOUT, errnoOf, reasonOf } from "../db/errors.ts";
import { waitForRows } from "../db/locks.ts";
import { limits } from "../limits.ts";
import type { Redis } from "../redis/client.ts";
import { capturePositionKey } from "../redis/keys.ts";
import { lookAtBinlog, type Position, readPosition } from "./binlog.ts";
import { watchHeartbeat } from "./heartbeat.ts";
import { Pending } from "./pending.ts";
import { CAPTURED, type Row, type RowChange } from "./rows.ts";
import { announce } from "./shared.ts";

/** The server has no binlog that can be read, or does not let us; somebody must change that first. */
export class Unreadable extends Error {
  override readonly name = "Unreadable";
}

/** What the library gives for rows, of whichever kind. */
interface RowsEvent {
  readonly tableId: number;
  readonly tableMap: Readonly<Record<number, { readonly tableName: string } | undefined>>;
  readonly rows: readonly Row[];
  getTypeName(): string;
}

export interface ReaderDeps {
  readonly databaseUrl: string;
  readonly redis: Redis;
  /** For looking at the server and for waiting on rows; nobody else uses it. */
  readonly connection: DatabaseConnection;
  /** Names who tells. */
  readonly from: string;
  /** What was done so far; the reader adds to it. */
  readonly progress: Progress;
}

/** What was done with the binlog so far. */
export interface Progress {
  /** Rows read of the tables that matter. */
  rows: number;
  /** Rows that concerned something. */
  changes: number;
  /** How long what was read last had been in the binlog, in whole seconds but given in milliseconds. */
  lagMs: number;
}

// A position that means nothing any more: purged, or of a server that was restored.
const ER_BINLOG_GONE = 1236;
// Accounts that may not read it.
const REFUSED = new Set([1044, 1045, 1142, 1227]);
/** Those of servers are small numbers. */
const SERVER_ID_MIN = 2 ** 31;
/** Statements that end or begin transactions, on MySQL; anything else that is not a row is a change by statement. */
const BRACKETS = /^\s*(?:BEGIN|COMMIT|ROLLBACK|SAVEPOINT|RELEASE|XA)\b/i;

export class BinlogReader {
  #zongji: ZongJi | undefined;
  #fresh = new Pending();
  #told = new Pending();
  #end = Promise.withResolvers<never>();
  #ended = false;
  /** The first error of the binlog's own connection. */
  #fault: Error | undefined;
  #wake = () => {};
  #unwatch = () => {};
  #savedAt = 0;
  #server = "";
  #schema = "";

  constructor(private readonly deps: ReaderDeps) {}

  /**
   * Reads until something fails, or the signal; `onReading` when it has begun. Throws Unreadable, or what failed:
   * it is then right to begin again.
   */
  async read(signal: AbortSignal, onReading: () => void): Promise<void> {
    const { redis } = this.deps;
    const lost = () => this.#end.reject(new Error("the connection to Redis was lost"));
    const stop = () => this.#end.reject(new Error("stopped"));
    redis.on("close", lost);
    signal.addEventListener("abort", stop);
    try {
      await Promise.race([this.#run(onReading), this.#end.promise]);
    } catch (error) {
      // Before anything else: what still runs of this reading must not keep a position any more.
      this.#ended = true;
      if (!signal.aborted) throw await this.#judged(error);
    } finally {
      this.#wake();
      this.#unwatch();
      redis.off("close", lost);
      signal.removeEventListener("abort", stop);
      await this.#close();
    }
  }

  async #run(onReading: () => void): Promise<void> {
    const { connection, redis, databaseUrl } = this.deps;
    const binlog = await lookAtBinlog(connection.db);
    if ("unreadable" in binlog) throw new Unreadable(`the binlog: ${binlog.unreadable}`);
    this.#server = binlog.server;
    this.#schema = decodeURIComponent(new URL(databaseUrl).pathname.slice(1));
    await waitForRows(connection.db, limits.captureSettleSeconds);
    const position = readPosition(await redis.get(capturePositionKey), binlog.server);
    if (this.#ended) return;
    await this.#open(position);
    // From here on nothing is missed; what was before is not known.
    if (!position) this.#fresh.addEverything();
    onReading();
    await Promise.all([this.#tell(), this.#settle()]);
  }

  #open(position: Position | undefined): Promise<void> {
    const { databaseUrl } = this.deps;
    const zongji = new ZongJi({
      ...connectionOptions(databaseUrl),
      ...{ dateStrings: true, jsonStrings: true },
    });
    this.#zongji = zongji;
    zongji.on("error", (error) => {
      this.#fault ??= error;
      this.#end.reject(error);
    });
    zongji.on("binlog", (event) => this.#receive(event));
    const ready = Promise.withResolvers<void>();
    zongji.on("ready", () => ready.resolve());
    zongji.start({
      // Two readers with one id would end each other.
      serverId: SERVER_ID_MIN + Math.floor(Math.random() * SERVER_ID_MIN),
      includeEvents: ["tablemap", "writerows", "updaterows", "deleterows", "query"],
      includeSchema: { [this.#schema]: [...CAPTURED] },
      ...(position
        ? { filename: position.filename, position: position.position }
        : { startAtEnd: true }),
    });
    if (zongji.connection)
      this.#unwatch = watchHeartbeat(zongji.connection, () =>
        this.#end.reject(new Error("nothing comes from the binlog, not even a heartbeat")),
      );
    return ready.promise;
  }

  #receive(event: AnyBinlogEvent): void {
    switch (event.getTypeName()) {
      case "Query": {
        const { query, schema } = event as { query: string; schema: string };
        // The schema is the session's, which may be another one than the statement is about, or none.
        const isOurs = schema === this.#schema || query.includes(this.#schema);
        if (!isOurs || BRACKETS.test(query)) return;
        this.#fresh.addEverything();
        break;
      }
      case "WriteRows":
      case "UpdateRows":
      case "DeleteRows":
        if (!this.#takeRows(event as unknown as RowsEvent)) return;
        break;
      default:
        return;
    }
    this.deps.progress.lagMs = Math.max(0, Date.now() - event.timestamp - 1_000);
    this.#wake();
  }

  /** True when one of them concerns anything. */
  #takeRows(event: RowsEvent): boolean {
    const table = event.tableMap[event.tableId]?.tableName ?? "";
    const kind = event.getTypeName();
    let concerned = 0;
    for (const row of event.rows) {
      const isUpdate = kind === "UpdateRows";
      const before = isUpdate ? row.before : kind === "DeleteRows" ? row : undefined;
      const after = isUpdate ? row.after : kind === "WriteRows" ? row : undefined;
      if (this.#fresh.addRow({ table, before, after } as RowChange)) concerned++;
    }
    this.deps.progress.rows += event.rows.length;
    this.deps.progress.changes += concerned;
    return concerned > 0;
  }

  /** Tells of what is fresh, again and again. */
  async #tell(): Promise<void> {
    const { redis, from } = this.deps;
    while (!this.#ended) {
      if (this.#fresh.isEmpty) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
        continue;
      }
      const fresh = this.#fresh;
      this.#fresh = new Pending();
      this.#told.addAll(fresh);
      await announce(redis, from, fresh.changes);
    }
  }

  /** Tells again what is settled, and keeps the position behind it. */
  async #settle(): Promise<void> {
    const { redis, from } = this.deps;
    while (!this.#ended) {
      await pause(limits.captureSettleMs);
      if (this.#ended) return;
      const position = this.#position();
      const told = this.#told;
      told.addAll(this.#fresh);
      this.#told = new Pending();
      if (!told.isEmpty) {
        const isSettled = await this.#isSettled(told);
        await announce(redis, from, told.changes);
        if (!isSettled) {
          // Something else has locked a row, which hides whether its change can be seen: told until it is free.
          this.#told.addAll(told);
          continue;
        }
      }
      await this.#save(position);
    }
  }

  async #isSettled(told: Pending): Promise<boolean> {
    try {
      await told.settle(this.deps.connection.db);
      return true;
    } catch (error) {
      if (errnoOf(error) === ER_LOCK_WAIT_TIMEOUT) return false;
      throw error;
    }
  }

  #position(): Position {
    const { filename = "", position = 0 } = this.#zongji?.options ?? {};
    return { server: this.#server, filename, position, at: Date.now() };
  }

  async #save(position: Position): Promise<void> {
    if (this.#ended || performance.now() - this.#savedAt < limits.captureSaveMs) return;
    await this.deps.redis.set(capturePositionKey, JSON.stringify(position));
    this.#savedAt = performance.now();
  }

  /** What the error of a reading means; a position that is no good is forgotten. */
  async #judged(error: unknown): Promise<unknown> {
    const { code, errno } = error as { code?: unknown; errno?: number };
    if (errno !== undefined && REFUSED.has(errno)) return new Unreadable(reasonOf(error));
    // What has no code is an event that was not understood; it will not be the next time either.
    const isBroken = error === this.#fault && (code === undefined || errno === ER_BINLOG_GONE);
    if (isBroken) await this.deps.redis.del(capturePositionKey).catch(() => undefined);
    return error;
  }

  async #close(): Promise<void> {
    const zongji = this.#zongji;
    if (!zongji) return;
    const stopped = new Promise<void>((resolve) => zongji.on("stopped", resolve));
    zongji.removeAllListeners("error").on("error", () => undefined);
    zongji.stop();
    await stopped;
  }
}

const pause = (milliseconds: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, milliseconds));
