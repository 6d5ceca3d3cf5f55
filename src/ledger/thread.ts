// Entry of the ledger's thread. It has its own connections and its own pool, so that nothing the API does can
// hold up what is already granted, and nothing here can hold up an answer.

import { createCouponCodes } from "../coupons/code.ts";
import { openPool } from "../db/client.ts";
import { reasonOf } from "../db/errors.ts";
import { limits } from "../limits.ts";
import { createLog } from "../log.ts";
import { Gatekeeper } from "../recovery/gatekeeper.ts";
import { WitnessStand } from "../recovery/witness.ts";
import { connectRedis } from "../redis/client.ts";
import { allShards } from "../redis/keys.ts";
import { Auditing } from "./auditing.ts";
import { backlogsOf, totalBacklog } from "./backlog.ts";
import { type LedgerContext, pause } from "./context.ts";
import { Heart } from "./heart.ts";
import { Leases } from "./leases.ts";
import { createLedgerMetrics } from "./metrics.ts";
import type {
  FromWorker,
  LedgerSettings,
  LedgerStatus,
  ToWorker,
  WitnessedGrant,
} from "./protocol.ts";
import { ShardWriter } from "./shard.ts";

declare const self: Worker;

const post = (message: FromWorker): void => self.postMessage(message);

/** Questions to the main thread that are not answered yet. */
const asked = new Map<number, (grants: WitnessedGrant[]) => void>();
let nextRequest = 1;

/** Rejects when the main thread stands still: whoever leads a recovery must not hold it up for ever. */
function witnessed(shard: number, epoch: number): Promise<WitnessedGrant[]> {
  const request = nextRequest++;
  return new Promise((resolve, reject) => {
    const giveUp = setTimeout(() => {
      asked.delete(request);
      reject(new Error("the main thread does not tell what it has confirmed"));
    }, limits.mainSilenceMsMax);
    asked.set(request, (grants) => {
      clearTimeout(giveUp);
      resolve(grants);
    });
    post({ type: "witness", request, shard, epoch });
  });
}

function startLedger(settings: LedgerSettings) {
  const stop = new AbortController();
  const log = createLog(settings.logLevel, { thread: "ledger" });
  const { promise: enrolled, resolve: enrol } = Promise.withResolvers<void>();
  const pool = openPool(settings.databaseUrl, limits.ledgerPoolConnections);
  const heartPool = openPool(settings.databaseUrl, limits.ledgerHeartConnections);
  const heart = new Heart(heartPool.db, settings.processId);
  const context: LedgerContext = {
    ...{ settings, log, post, witnessed, enrolled, heart, pool, stopping: stop.signal },
    redis: connectRedis(settings.redisUrl, "worker", log),
    metrics: createLedgerMetrics(),
    codes: createCouponCodes(settings.codeSecrets),
  };
  const writers = allShards.map(
    (shard) =>
      new ShardWriter(context, shard, {
        onFence: (at, reason) => keeper.open(at, reason),
        onLoss: (at, epoch, reason) => keeper.lost(at, epoch, reason),
      }),
  );
  const stand = new WitnessStand(context);
  const keeper = new Gatekeeper(context, writers, stand);
  const leases = new Leases(context, writers);
  const auditMs = settings.auditMs ?? limits.auditLiveMs;
  const auditing = new Auditing(context, {
    shards: () => ownedShards().filter((shard) => keeper.closedBecause(shard) === null),
    onMissing: (saleId, epoch) => keeper.missing(saleId, epoch),
    onLoss: (shard, epoch, reason) => keeper.lost(shard, epoch, reason),
  });
  let mysql = "starting";
  let ticking: Promise<void> | undefined;

  let heardAt = performance.now();

  /**
   * Never rejects. A process counts among the living only while both of its threads do: a recovery waits for what
   * its main thread has confirmed, and would wait for ever for one that stands still.
   */
  async function beat(): Promise<void> {
    if (performance.now() - heardAt > limits.mainSilenceMsMax) return;
    await heart.beat(leases.reachesRedis).then(enrol, () => undefined);
  }

  /** Never rejects. */
  async function tick(): Promise<void> {
    try {
      await leases.tick();
      mysql = "ok";
    } catch (error) {
      mysql = reasonOf(error);
    }
  }

  const rounds = [
    every(limits.leaseRenewMs, stop.signal, beat),
    every(limits.leaseRenewMs, stop.signal, async () => {
      ticking ??= tick().finally(() => {
        ticking = undefined;
      });
      // A MySQL that hangs must not hold up what is told of the backlog.
      await Promise.race([ticking, pause(limits.leaseRenewMs, stop.signal)]);
      // Of all shards, not only of those that this process writes: the writer of a shard may be gone.
      const backlogs = await backlogsOf(context.redis, allShards).catch(() => undefined);
      post({ type: "status", status: statusOf(backlogs) });
    }),
    every(limits.recoveryWatchMs, stop.signal, () => stand.attend().catch(() => undefined)),
    every(auditMs, stop.signal, () => auditing.round()),
  ];

  const ownedShards = (): number[] =>
    writers.filter((writer) => writer.owned).map((writer) => writer.shard);

  function statusOf(backlogs: Map<number, number> | undefined): LedgerStatus {
    const shards = writers.map((writer) => ({
      ...{ shard: writer.shard, owned: writer.owned, lagMs: writer.lagMs },
      closed: keeper.closedBecause(writer.shard),
      backlogGrants: backlogs?.get(writer.shard) ?? null,
    }));
    const backlogGrants = backlogs ? totalBacklog(backlogs) : null;
    context.metrics.backlog.set(backlogGrants ?? Number.NaN);
    context.metrics.lag.set(Math.max(...shards.map((shard) => shard.lagMs)) / 1_000);
    const redis = context.redis.status === "ready" ? "ok" : context.redis.status;
    const { status: audit, history } = auditing;
    const auditBlind = auditing.blindMs > 3 * auditMs;
    const { living: livingProcesses } = leases;
    return { mysql, redis, livingProcesses, backlogGrants, shards, audit, auditBlind, history };
  }

  async function drain(): Promise<void> {
    leases.takeNoMore();
    await Promise.race([
      Promise.all(writers.map((writer) => writer.drain())),
      pause(limits.stopDrainMs, new AbortController().signal),
    ]);
    stop.abort();
    const tooLong = pause(limits.stopDrainGraceMs / 2, new AbortController().signal);
    await Promise.race([keeper.idle(), tooLong]);
    await Promise.allSettled([...rounds, ticking, ...writers.map((writer) => writer.release())]);
    await heart.leave().catch(() => undefined);
    for (const { close } of [heartPool, pool]) await close().catch(() => undefined);
    context.redis.disconnect();
    post({ type: "drained" });
  }

  const hear = (): void => {
    heardAt = performance.now();
  };

  return { context, keeper, drain, hear };
}

/** Runs `work` again and again with a pause in between, until the signal; resolves when the last has ended. */
async function every(
  milliseconds: number,
  signal: AbortSignal,
  work: () => Promise<void>,
): Promise<void> {
  while (!signal.aborted) {
    await work();
    await pause(milliseconds, signal);
  }
}

let ledger: ReturnType<typeof startLedger> | undefined;

async function receive(message: ToWorker): Promise<void> {
  switch (message.type) {
    case "start":
      ledger = startLedger(message.settings);
      return;
    case "open":
      ledger?.keeper.open(message.shard, message.reason);
      return;
    case "missing":
      await ledger?.keeper.missing(message.saleId, message.epoch);
      return;
    case "witnessed":
      asked.get(message.request)?.(message.grants);
      asked.delete(message.request);
      return;
    case "metrics":
      post({
        ...{ type: "metrics", request: message.request },
        text: (await ledger?.context.metrics.registry.metrics()) ?? "",
      });
      return;
    case "alive":
      ledger?.hear();
      return;
    case "drain":
      await ledger?.drain();
      return;
    default:
      message satisfies never;
  }
}

self.onmessage = (event: MessageEvent<ToWorker>) => {
  receive(event.data).catch((error) =>
    ledger?.context.log.error({ err: error }, "a message failed"),
  );
};
