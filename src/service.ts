// The service as a whole: builds its parts from the settings, starts them in order, stops them in order.

import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { createApp } from "./app.ts";
import { createPasswords } from "./auth/passwords.ts";
import { createThrottle } from "./auth/throttle.ts";
import { createValidity } from "./auth/validity.ts";
import { createCaches } from "./cache/parts.ts";
import { createWallet } from "./classic/own-lists.ts";
import { createSales } from "./classic/sales.ts";
import { type Clock, systemClock } from "./clock.ts";
import type { Config } from "./config.ts";
import { createCouponCodes } from "./coupons/code.ts";
import { openPool, poolGauges } from "./db/client.ts";
import { reasonOf } from "./db/errors.ts";
import { databaseWarnings } from "./db/settings.ts";
import { GrabBuckets } from "./grab/buckets.ts";
import { Gates } from "./grab/gates.ts";
import { createGrabQueue } from "./grab/queue.ts";
import { createGrabs } from "./grab/service.ts";
import { SoldOut } from "./grab/soldout.ts";
import { type LedgerHandle, startLedgerThread } from "./ledger/handle.ts";
import { type ToldGrant, witnessedGrant } from "./ledger/memory.ts";
import { assertLimits, limits } from "./limits.ts";
import type { Log } from "./log.ts";
import { createMetrics } from "./metrics.ts";
import { createHealth } from "./ops/health.ts";
import { startOps } from "./ops/server.ts";
import { watchRedis } from "./ops/watch.ts";
import { connectRedis, type RedisRole } from "./redis/client.ts";
import { shardOf } from "./redis/keys.ts";
import { createWarmer } from "./sales/warm.ts";
import { serversFit } from "./servers.ts";
import type { Tracing } from "./tracing/start.ts";
import { createUsers } from "./users/service.ts";
import { createV1Parts } from "./v1/parts.ts";

export interface Service {
  /** Where it answers, such as http://127.0.0.1:20080. */
  readonly url: string;
  readonly opsUrl: string;
  /**
   * Resolves when every gate has been open once. Servers that do not answer yet are waited for; rejects
   * with `BadSettings` when one answers and is not fit.
   */
  readonly ready: Promise<void>;
  /**
   * Stops accepting, finishes requests, drains the ledger, leaves MySQL and Redis. `graceMs` is how long
   * `/readyz` says 503 before that, so that a load balancer sends nobody here any more.
   */
  stop(graceMs: number): Promise<void>;
}

/**
 * Listens at once and opens the gates in the background; `tracing` as from `tracingOf`. Throws when a port is taken
 * by another program.
 */
export function startService(config: Config, log: Log, tracing?: Tracing): Service {
  assertLimits();
  const parts = buildParts(config, log, tracing);
  const { health, metrics, stopping } = parts;
  const app = createApp(parts.appDeps);
  const answer = tracing?.requests(app.fetch) ?? app.fetch;
  let leaving = false;
  const server = Bun.serve({
    hostname: config.host,
    port: config.port,
    development: false,
    // Several processes on one host may serve one port; without a word Bun would let them too.
    reusePort: true,
    idleTimeout: limits.httpIdleTimeoutSeconds,
    maxRequestBodySize: limits.httpBodyBytesAnsweredMax,
    fetch(request, own) {
      const response = answer(request, own);
      return leaving ? asLast(response) : response;
    },
  });
  const ops = startOps({ port: config.opsPort, health, metrics, ledger: parts.ledger });
  const shownHost = config.host === "0.0.0.0" || config.host === "::" ? "127.0.0.1" : config.host;

  let stopped: Promise<void> | undefined;
  async function stop(graceMs: number): Promise<void> {
    health.isStopping();
    leaving = true;
    await sleep(graceMs);
    // These do not end by themselves, and the server waits for all requests.
    parts.events.stop();
    await Promise.race([server.stop(), sleep(limits.stopRequestsMs)]);
    await server.stop(true);
    stopping.abort();
    await Promise.all([parts.close(), tracing?.stop()]);
    await ops.stop(true);
  }

  return {
    url: `http://${shownHost}:${server.port}`,
    opsUrl: `http://127.0.0.1:${ops.port}`,
    ready: parts.open(),
    stop(graceMs) {
      stopped ??= stop(graceMs);
      return stopped;
    },
  };
}

/**
 * Tells the client to leave its connection after this answer. A connection that is only kept alive would be
 * closed under the request that is just on its way, and nobody would know what became of it.
 */
async function asLast(answer: Response | Promise<Response>): Promise<Response> {
  const response = await answer;
  response.headers.set("Connection", "close");
  return response;
}

/** The API's own connections. */
function openClients(config: Config, log: Log, tracing: Tracing | undefined) {
  const connect = (role: RedisRole) => connectRedis(config.redisUrl, role, log);
  const [grabsRedis, redis] = [connect("grabs"), connect("reads")];
  const [subscriber, changesRedis] = [connect("subscriber"), connect("changes")];
  const pool = openPool(config.databaseUrl, limits.mysqlPoolConnections);
  tracing?.redis(grabsRedis);
  tracing?.redis(redis);
  return {
    ...{ grabsRedis, redis, subscriber, changesRedis, pool },
    async close() {
      const closed = pool
        .close()
        .catch((error) => log.warn({ reason: reasonOf(error) }, "closing the pool"));
      // It waits for the queries under way.
      await Promise.race([closed, sleep(limits.stopClientsMs)]);
      for (const client of [grabsRedis, redis, subscriber, changesRedis]) client.disconnect();
    },
  };
}

interface SellingDeps {
  readonly clients: ReturnType<typeof openClients>;
  readonly clock: Clock;
  readonly log: Log;
  readonly ledger: () => LedgerHandle | undefined;
  readonly called: (attempts: number, waitMs: number, callMs: number) => void;
}

/** What stands between a grab and Redis. */
function createSelling({ clients, clock, log, ledger, called }: SellingDeps) {
  const witnessed = (...grant: ToldGrant) => witnessedGrant(clock.now(), ...grant);
  const gates = new Gates((shard, reason) => {
    log.warn({ shard, reason }, "the gate is closed");
    ledger()?.open(shard, reason);
  });
  const soldOut = new SoldOut({ redis: clients.redis, gates, clock, log });
  const queue = createGrabQueue(
    { redis: clients.grabsRedis, gates, log },
    {
      called,
      granted: (...grant) => ledger()?.confirmed.add(witnessed(...grant)),
      repeated: (...grant) => ledger()?.confirmed.addRepeated(witnessed(...grant)),
      soldOut: (saleId, gate) => soldOut.notice(saleId, gate),
      missing: (saleId, gate) => ledger()?.missing(saleId, gate.epoch),
    },
  );
  return { gates, soldOut, queue, witnessed };
}

/** The ledger's thread, which opens and closes the gates. */
function startThread(config: Config, gates: Gates, log: Log): LedgerHandle {
  const { redisUrl, databaseUrl, durability, ledgerKeepMs, logLevel, codeSecrets } = config;
  const processId = `${hostname().slice(0, 20)}-${process.pid}-${randomUUID().slice(0, 8)}`;
  return startLedgerThread(
    { redisUrl, databaseUrl, durability, ledgerKeepMs, logLevel, codeSecrets, processId },
    log,
    {
      opened: (shard, epoch, incarnation) => gates.open(shard, epoch, incarnation),
      closed(shard, epoch) {
        const gate = gates.at(shard);
        if (gate && gate.epoch <= epoch) gates.close(shard, gate, "a recovery has begun");
      },
    },
  );
}

/** Everything behind the HTTP edge. */
function buildParts(config: Config, log: Log, tracing: Tracing | undefined) {
  const clock = systemClock;
  const stopping = new AbortController();
  const clients = openClients(config, log, tracing);
  const { grabsRedis, redis, subscriber, changesRedis, pool } = clients;
  const { db } = pool;

  let thread: LedgerHandle | undefined;
  const { gates, soldOut, queue, witnessed } = createSelling({
    ...{ clients, clock, log, ledger: () => thread },
    called: (attempts, waitMs, callMs) => metrics.call(attempts, waitMs, callMs),
  });
  const health = createHealth({
    ...{ config, gates, redis: grabsRedis, ledger: () => thread, grabsWaiting: queue.waiting },
    salesNotWarm: () => v1Parts.salesNotWarm(),
    capture: () => caches.capture(),
  });
  const metrics = createMetrics({
    grabsWaiting: queue.waiting,
    gatesOpen: () => gates.openCount(),
    eventClients: () => v1Parts.events.clients,
    ...poolGauges(pool),
    ledgerRestarts: () => thread?.restarts() ?? 0,
    salesNotWarm: () => v1Parts.salesNotWarm().length,
  });
  const counts = tracing?.counts(metrics) ?? metrics;
  const buckets = config.rateLimits ? new GrabBuckets(clock) : undefined;
  const grabs = createGrabs({
    ...{ queue, soldOut, buckets, count: metrics.grab },
    rateOf: (saleId) => v1Parts.rateOf(saleId),
    repeated: (saleId, grantNo, userId) =>
      thread?.confirmed.addRepeated(witnessed(saleId, grantNo, userId, 1, "")),
  });
  const warmer = createWarmer({ db, redis, gates, log });
  const { jwtSecret } = config;
  const validity = createValidity({ jwtSecret, db, redis, subscriber, clock, log });
  const { tokens, revocations, endings } = validity;
  const passwords = createPasswords();
  const caches = createCaches({ config, redis, subscriber: changesRedis, log });
  caches.register(metrics.registry);
  const { levels } = caches;
  const users = createUsers({ db, levels, passwords });
  const codes = createCouponCodes(config.codeSecrets);
  const sales = createSales({ db, redis, levels, users, warmer, codes, log });
  const wallet = createWallet({ db, redis, levels });
  const throttle = createThrottle(redis, config.rateLimits);
  const v1Parts = createV1Parts({
    ...{ config, db, redis, levels, codes, tokens, grabs, clock, log, metrics: counts },
    ...{ revocations, endings, users, passwords, throttle, gates, warmer },
    onSaleChanged: (saleId) => soldOut.changed(saleId),
    onSaleMissing(saleId) {
      const gate = gates.at(shardOf(saleId));
      if (gate) thread?.missing(saleId, gate.epoch);
    },
  });

  let stopWarming: (() => void) | undefined;
  let stopV1: (() => Promise<void>) | undefined;
  async function open(): Promise<void> {
    await serversFit({ config, db, codes, log }, stopping.signal);
    if (stopping.signal.aborted) return;
    await validity.start();
    const warnings = await databaseWarnings(db).catch(() => []);
    for (const warning of warnings) log.warn({ warning }, "durability");
    // All that follows begins at once: a stop finds either nothing of it or everything.
    if (stopping.signal.aborted) return;
    thread = startThread(config, gates, log);
    stopWarming = warmer.start();
    caches.start();
    stopV1 = v1Parts.start();
    watchRedis({ redis, gates, durability: config.durability, log }, stopping.signal);
    await gates.opened;
    health.hasOpened();
  }

  async function close(): Promise<void> {
    stopWarming?.();
    const others = Promise.all([stopV1?.(), caches.stop(), validity.stop()]);
    // The ledger has a bound of its own; the others wait for what they have in hand, and no longer than it may take.
    const ledgerMs = limits.stopDrainMs + limits.stopDrainGraceMs;
    await Promise.all([thread?.drain(), Promise.race([others, sleep(ledgerMs)])]);
    await clients.close();
  }

  const { events, v1, v1Grab } = v1Parts;
  const appDeps = {
    ...{ config, log, tokens, revocations, users, sales, wallet, grabs, throttle, health },
    ...{ metrics: counts, v1, v1Grab },
  };
  return { appDeps, health, metrics, stopping, open, close, events, ledger: () => thread };
}
