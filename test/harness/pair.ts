// A primary with a replica, and an address that can be pointed at either, as behind a virtual IP.

import { createLog } from "../../src/log.ts";
import { connectRedis, type Redis } from "../../src/redis/client.ts";
import { type Link, linkTo } from "./links.ts";
import { freshDatabase, startRedis, stopLater } from "./servers.ts";
import { until } from "./until.ts";

export interface Pair {
  readonly primaryUrl: string;
  /** Where clients find Redis: the primary, until it is switched. */
  readonly address: Link;
  readonly databaseUrl: string;
  /** The replica becomes a primary. */
  promote(): Promise<void>;
  /** The replica has all of the primary, and gets no more of it. */
  cutReplication(): Promise<void>;
  /** Points the address at the one that was the replica, or back. */
  switchTo(which: "replica" | "primary"): void;
}

async function clientOf(url: string): Promise<Redis> {
  const client = connectRedis(url, "reads", createLog("silent"));
  stopLater(() => Promise.resolve(client.disconnect()));
  await until("Redis", () => client.status === "ready");
  return client;
}

/** Starts both, and a database. */
export async function startPair(): Promise<Pair> {
  const [first, second, database] = await Promise.all([
    startRedis(),
    startRedis(),
    freshDatabase(),
  ]);
  const [replication, address] = await Promise.all([linkTo(first.url), linkTo(first.url)]);
  const [primary, replica] = await Promise.all([clientOf(first.url), clientOf(second.url)]);
  // Otherwise it waits five seconds for more replicas.
  await primary.config("SET", "repl-diskless-sync-delay", "0");
  await replica.replicaof("127.0.0.1", replication.proxy.port);

  const offsetOf = async (client: Redis) =>
    /master_repl_offset:(\d+)/.exec(await client.info("replication"))?.[1];
  async function cutReplication(): Promise<void> {
    await until("the replica", async () => {
      const linked = (await replica.info("replication")).includes("master_link_status:up");
      return linked && (await offsetOf(primary)) === (await offsetOf(replica));
    });
    replication.proxy.freeze();
  }

  return {
    ...{ primaryUrl: first.url, address, databaseUrl: database.url, cutReplication },
    async promote() {
      await replica.replicaof("NO", "ONE");
    },
    switchTo(which) {
      const { url } = which === "replica" ? second : first;
      address.proxy.switchTo({ path: decodeURIComponent(new URL(url).pathname) });
    },
  };
}
