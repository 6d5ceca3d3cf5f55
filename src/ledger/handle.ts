// The main thread's side of the ledger: starts the thread, restarts one that died, and keeps what the thread
// asks for and reports. A dead thread loses nothing: all it knows is in Redis and MySQL.

import { limits } from "../limits.ts";
import type { Log } from "../log.ts";
import { allShards } from "../redis/keys.ts";
import { ConfirmedGrants } from "./memory.ts";
import type { FromWorker, LedgerSettings, LedgerStatus, ToWorker } from "./protocol.ts";

export interface LedgerHooks {
  opened(shard: number, epoch: number, incarnation: string): void;
  /** Gates of `epoch` and of earlier ones are over. */
  closed(shard: number, epoch: number): void;
}

export interface LedgerHandle {
  readonly confirmed: ConfirmedGrants;
  /** The latest report; undefined when there is none that is fresh, because the thread is dead or hangs. */
  status(): LedgerStatus | undefined;
  /** How often the thread has been restarted. */
  restarts(): number;
  /** Asks for a closed gate to be opened: by adopting or by recovering. */
  open(shard: number, reason: string): void;
  missing(saleId: number, epoch: number): void;
  /** The thread's metrics in Prometheus's text form; empty when it does not answer. */
  metrics(): Promise<string>;
  /** Writes what is left in the streams, gives the leases back, ends the thread. Bounded in time. */
  drain(): Promise<void>;
}

export function startLedgerThread(
  settings: LedgerSettings,
  log: Log,
  hooks: LedgerHooks,
): LedgerHandle {
  const confirmed = new ConfirmedGrants();
  const metricsAsked = new Map<number, (text: string) => void>();
  /** Shards whose gate is closed on this process: a new thread is asked for them again. */
  const closed = new Map<number, string>(allShards.map((shard) => [shard, "start"]));
  let worker: Worker;
  let living = false;
  let status: LedgerStatus | undefined;
  let statusAt = 0;
  let restarts = 0;
  let restartDelayMs: number = limits.workerRestartDelayMsMin;
  let nextRequest = 1;
  let restartTimer: Timer | undefined;
  let onDrained: (() => void) | undefined;

  /** A thread that is gone is told nothing: the next one is asked for the gates that are closed by then. */
  const send = (message: ToWorker): void => {
    if (living) worker.postMessage(message);
  };

  function receive(message: FromWorker): void {
    switch (message.type) {
      case "gate":
        closed.delete(message.shard);
        hooks.opened(message.shard, message.epoch, message.incarnation);
        return;
      case "close":
        hooks.closed(message.shard, message.epoch);
        return;
      case "epochs":
        for (const [shard, epoch] of message.epochs.entries()) hooks.closed(shard, epoch - 1);
        return;
      case "witness":
        // Closed first: a grant that Redis has answered and this process has not read yet is then not
        // confirmed any more, so what is handed in is all that was.
        hooks.closed(message.shard, message.epoch - 1);
        send({
          ...{ type: "witnessed", request: message.request },
          grants: confirmed.ofShard(message.shard),
        });
        return;
      case "status":
        status = message.status;
        statusAt = performance.now();
        restartDelayMs = limits.workerRestartDelayMsMin;
        return;
      case "metrics":
        metricsAsked.get(message.request)?.(message.text);
        return;
      case "drained":
        onDrained?.();
        return;
      default:
        message satisfies never;
    }
  }

  function start(): void {
    worker = new Worker(new URL("./thread.ts", import.meta.url));
    living = true;
    worker.onmessage = (event: MessageEvent<FromWorker>) => receive(event.data);
    worker.onerror = (event) => log.error({ reason: event.message }, "the ledger thread failed");
    worker.addEventListener("close", ended);
    send({ type: "start", settings });
    for (const [shard, reason] of closed) send({ type: "open", shard, reason });
  }

  function ended(): void {
    living = false;
    status = undefined;
    if (onDrained) {
      onDrained();
      return;
    }
    restarts += 1;
    log.error({ restarts, delayMs: restartDelayMs }, "the ledger thread is gone and starts again");
    restartTimer = setTimeout(start, restartDelayMs);
    restartDelayMs = Math.min(restartDelayMs * 2, limits.workerRestartDelayMsMax);
  }

  start();
  const pulse = setInterval(() => {
    send({ type: "alive" });
  }, limits.leaseRenewMs);
  return {
    confirmed,
    status: () => (performance.now() - statusAt < limits.ledgerReportAgeMsMax ? status : undefined),
    restarts: () => restarts,
    open(shard, reason) {
      closed.set(shard, reason);
      send({ type: "open", shard, reason });
    },
    missing: (saleId, epoch) => send({ type: "missing", saleId, epoch }),
    async metrics() {
      if (!living) return "";
      const request = nextRequest++;
      const answer = new Promise<string>((resolve) => metricsAsked.set(request, resolve));
      const giveUp = setTimeout(() => metricsAsked.get(request)?.(""), limits.metricsWaitMs);
      send({ type: "metrics", request });
      const text = await answer;
      clearTimeout(giveUp);
      metricsAsked.delete(request);
      return text;
    },
    async drain() {
      clearTimeout(restartTimer);
      if (living) {
        let giveUp: Timer | undefined;
        await new Promise<void>((resolve) => {
          onDrained = resolve;
          giveUp = setTimeout(resolve, limits.stopDrainMs + limits.stopDrainGraceMs);
          send({ type: "drain" });
        });
        clearTimeout(giveUp);
        worker.terminate();
      }
      // A process that drains lives, and a drain may last longer than the thread beats without this.
      clearInterval(pulse);
    },
  };
}
