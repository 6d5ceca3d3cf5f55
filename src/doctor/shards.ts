// The sixteen shards: whether each has been opened, whether Redis and MySQL mean the same opening, and whether a
// living process records it.

import { sql } from "drizzle-orm";
import type { Database } from "../db/client.ts";
import { shardScripts } from "../grab/scripts.ts";
import { livingProcesses } from "../ledger/liveness.ts";
import { shards } from "../ledger/table.ts";
import { limits } from "../limits.ts";
import type { Redis } from "../redis/client.ts";
import { shardKeys } from "../redis/keys.ts";
import { readMany } from "../redis/reading.ts";
import { type Check, failure, ok, shardsInWords, warning } from "./check.ts";

/** What MySQL knows of a shard. */
export interface ShardRow {
  readonly shard: number;
  readonly epoch: number;
  readonly incarnation: string;
  readonly leaseOwner: string | null;
  /** 1 when the lease has run out. */
  readonly expired: number | null;
}

/** What Redis knows of it: null for what is not there; `scripts` is true when it knows those of the incarnation. */
export interface GateSeen {
  readonly epoch: string | null;
  readonly state: string | null;
  readonly scripts: boolean;
}

/** Throws when MySQL does not answer. */
const rowsOf = (db: Database): Promise<ShardRow[]> =>
  db
    .select({
      ...{ shard: shards.shard, epoch: shards.epoch, incarnation: shards.incarnation },
      leaseOwner: shards.leaseOwner,
      expired: sql<number | null>`${shards.leaseUntil} < NOW(3)`,
    })
    .from(shards)
    .orderBy(shards.shard);

/** Asks Redis in one round trip. Throws RedisAway. */
async function gatesOf(redis: Redis, rows: readonly ShardRow[]): Promise<GateSeen[]> {
  const replies = await readMany(redis, (pipeline) => {
    for (const { shard, incarnation } of rows) {
      pipeline.hmget(shardKeys(shard).gate, "epoch", "state");
      pipeline.script("EXISTS", ...Object.values(shardScripts(incarnation)).map(({ sha }) => sha));
    }
  });
  return rows.map((_, i) => {
    const [epoch = null, state = null] = replies[2 * i] as (string | null)[];
    const known = replies[2 * i + 1] as number[];
    return { epoch, state, scripts: known.every((one) => one === 1) };
  });
}

export async function checkGates(redis: Redis, db: Database): Promise<Check[]> {
  const rows = await rowsOf(db);
  return judgeGates(rows, await gatesOf(redis, rows));
}

const RECOVERS =
  "A running service recovers this by itself within seconds; if it stays, its log and the operations port's /readyz say why.";

/** One check each for what must be there, of all shards together. */
export function judgeGates(rows: readonly ShardRow[], gates: readonly GateSeen[]): Check[] {
  const check = (
    name: string,
    well: string,
    [fault, advice]: [fault: string, advice: string],
    isWell: (row: ShardRow, gate: GateSeen) => boolean,
  ): Check => {
    const bad = rows.filter((row, i) => !isWell(row, gates[i] as GateSeen));
    if (bad.length === 0) return ok(name, well);
    const where = shardsInWords(
      bad.map(({ shard }) => shard),
      limits.shards,
    );
    return failure(name, `${fault}: ${where}`, advice);
  };
  if (rows.length !== limits.shards) {
    return [
      failure(
        "shards",
        `MySQL has ${rows.length} of ${limits.shards}`,
        "Start the service once: it makes them.",
      ),
    ];
  }
  const known = rows.filter(({ incarnation }) => incarnation !== "");
  if (known.length === 0) {
    return [failure("gates", "none has ever been opened", "Start the service.")];
  }
  return [
    check(
      "incarnations",
      "each shard has been opened",
      ["never opened", "Start the service, and wait until /readyz says ok."],
      ({ incarnation }) => incarnation !== "",
    ),
    check("gates", "all are open", ["not open", RECOVERS], (_, gate) => gate.state === "open"),
    check(
      "epochs",
      "the same in Redis and MySQL",
      ["not the same in Redis and MySQL", RECOVERS],
      (row, gate) => gate.epoch === String(row.epoch),
    ),
    check(
      "scripts",
      "Redis knows those of each shard",
      ["Redis does not know them", `${RECOVERS} Use the doctor of the service's own version.`],
      (_, gate) => gate.scripts,
    ),
  ];
}

/** Who records: the living processes and the leases that they hold. */
export async function checkLeases(db: Database): Promise<Check[]> {
  return judgeLeases(await rowsOf(db), new Set(await livingProcesses(db)));
}

export function judgeLeases(rows: readonly ShardRow[], living: ReadonlySet<string>): Check[] {
  const processes = "processes";
  if (living.size === 0) {
    return [failure(processes, "none of the service's processes lives", "Start the service.")];
  }
  const unheld = rows.filter(
    ({ leaseOwner, expired }) => leaseOwner === null || expired === 1 || !living.has(leaseOwner),
  );
  const alive =
    living.size > 1
      ? ok(processes, `${living.size} live`)
      : warning(
          processes,
          "one lives",
          "With a second one a sale goes on when a process dies; on one machine several may share one port.",
        );
  if (unheld.length === 0)
    return [alive, ok("leases", "each shard is recorded by a living process")];
  const where = shardsInWords(
    unheld.map(({ shard }) => shard),
    limits.shards,
  );
  return [
    alive,
    failure(
      "leases",
      `nobody records ${where}`,
      `Living processes take them within ${limits.leaseSeconds} s: run the doctor again. If it stays, look at the service's log for "the lease is not to be had".`,
    ),
  ];
}
