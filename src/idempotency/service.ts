// Answers to POST requests, kept for a day under who asked and their Idempotency-Key, so that a repeat gets the
// same one. A row is claimed before the request is executed. If the process dies in between, the claim runs out and
// a repeat executes the request again: what it makes carries the row's request key, which is unique, so it is not
// made twice. So a row stays for its day, also when an execution failed and may have taken effect; it goes when nothing
// was executed, because a field was wrong.

import { createHash, randomUUID } from "node:crypto";
import { and, eq, isNull, lt, sql } from "drizzle-orm";
import type { Database } from "../db/client.ts";
import { isDuplicate, reasonOf } from "../db/errors.ts";
import { startPurge } from "../db/purge.ts";
import { limits } from "../limits.ts";
import type { Log } from "../log.ts";
import { idempotencyKeys } from "./table.ts";

/** The headers that belong to an answer, whenever it is given; all others are of the one time or of every answer. */
export const KEPT_HEADERS = ["Content-Type", "ETag", "Location"] as const;

export interface KeptAnswer {
  readonly status: number;
  /** Those of `KEPT_HEADERS` that it has. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export type Turn =
  | {
      readonly kind: "first";
      readonly requestKey: string;
      /** Never rejects: the request has taken effect, whether or not its answer could be kept. */
      keep(answer: KeptAnswer): Promise<void>;
      /** Lets the claim run out, so that a repeat executes the request. Never rejects. */
      release(): Promise<void>;
      /** Gives the key back: the request was refused before anything was done. Never rejects. */
      forget(): Promise<void>;
    }
  | { readonly kind: "replay"; readonly answer: KeptAnswer }
  | { readonly kind: "busy" }
  | { readonly kind: "reused" };

export interface Answers {
  /** Claims the key for `asked`, the request as text. Throws MySQL's error. */
  begin(actor: string, key: string, asked: string): Promise<Turn>;
  /** Begins to delete what is older than a day; returns how to stop, as `startPurge` does. */
  start(): () => Promise<void>;
}

const hash = (text: string): string => createHash("sha256").update(text).digest("hex");

const busyUntil = sql`UTC_TIMESTAMP(3) + INTERVAL ${sql.raw(String(limits.idempotencyBusySeconds))} SECOND`;
const dayAgo = sql`UTC_TIMESTAMP(3) - INTERVAL ${sql.raw(String(limits.idempotencyKeptSeconds))} SECOND`;

export function createAnswers({ db, log }: { db: Database; log: Log }): Answers {
  function first(keyHash: string, requestKey: string, owner: string): Turn {
    const mine = and(eq(idempotencyKeys.keyHash, keyHash), eq(idempotencyKeys.owner, owner));
    const tried = async (change: Promise<unknown>) => {
      await change.catch((error) => log.warn({ reason: reasonOf(error) }, "an answer is not kept"));
    };
    const set = (fields: Partial<typeof idempotencyKeys.$inferInsert>) =>
      tried(db.update(idempotencyKeys).set(fields).where(mine).execute());
    return {
      kind: "first",
      requestKey,
      keep: ({ status, headers, body }) =>
        set({ owner: null, status, body: `${JSON.stringify(headers)}\n${body}` }),
      release: () => set({ busyUntil: new Date(0) }),
      forget: () => tried(db.delete(idempotencyKeys).where(mine).execute()),
    };
  }

  async function claim(keyHash: string, fingerprint: string): Promise<Turn | undefined> {
    const [owner, requestKey] = [randomUUID(), randomUUID()];
    const row = { keyHash, requestKey, fingerprint, owner, busyUntil };
    try {
      await db.insert(idempotencyKeys).values(row);
      return first(keyHash, requestKey, owner);
    } catch (error) {
      if (!isDuplicate(error)) throw error;
      return undefined;
    }
  }

  /** What stands under a key that is taken; undefined when it is gone meanwhile. */
  async function standing(keyHash: string, fingerprint: string): Promise<Turn | undefined> {
    const [row] = await db
      .select({
        requestKey: idempotencyKeys.requestKey,
        fingerprint: idempotencyKeys.fingerprint,
        owner: idempotencyKeys.owner,
        status: idempotencyKeys.status,
        body: idempotencyKeys.body,
        isLate: sql<number>`${idempotencyKeys.busyUntil} < UTC_TIMESTAMP(3)`,
        isOld: sql<number>`${idempotencyKeys.createdAt} < ${dayAgo}`,
      })
      .from(idempotencyKeys)
      .where(eq(idempotencyKeys.keyHash, keyHash));
    if (!row) return undefined;
    if (row.isOld) {
      await db
        .delete(idempotencyKeys)
        .where(and(eq(idempotencyKeys.keyHash, keyHash), lt(idempotencyKeys.createdAt, dayAgo)));
      return undefined;
    }
    if (row.fingerprint !== fingerprint) return { kind: "reused" };
    if (row.owner === null) {
      const text = row.body ?? "{}\n";
      const line = text.indexOf("\n");
      const headers = JSON.parse(text.slice(0, line)) as KeptAnswer["headers"];
      const body = text.slice(line + 1);
      return { kind: "replay", answer: { status: row.status ?? 200, headers, body } };
    }
    if (!row.isLate) return { kind: "busy" };
    const owner = randomUUID();
    const [taken] = await db
      .update(idempotencyKeys)
      .set({ owner, busyUntil })
      .where(
        and(
          eq(idempotencyKeys.keyHash, keyHash),
          eq(idempotencyKeys.owner, row.owner),
          isNull(idempotencyKeys.status),
        ),
      );
    return taken.affectedRows === 1 ? first(keyHash, row.requestKey, owner) : { kind: "busy" };
  }

  return {
    async begin(actor, key, asked) {
      const keyHash = hash(`${actor}\n${key}`);
      const fingerprint = hash(asked);
      // A row may be deleted between the two questions, and once only.
      for (let round = 0; round < 2; round += 1) {
        const turn = (await claim(keyHash, fingerprint)) ?? (await standing(keyHash, fingerprint));
        if (turn) return turn;
      }
      return { kind: "busy" };
    },

    start: () =>
      startPurge({
        everyMs: limits.idempotencyPurgeMs,
        batchRows: limits.idempotencyPurgedPerBatch,
        batch: async () => {
          const [result] = await db
            .delete(idempotencyKeys)
            .where(lt(idempotencyKeys.createdAt, dayAgo))
            .limit(limits.idempotencyPurgedPerBatch);
          return result.affectedRows;
        },
        ...{ log, failed: "old answers are not deleted" },
      }),
  };
}
