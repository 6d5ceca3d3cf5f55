import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Durability } from "../config.ts";
import { CannotStart } from "./errors.ts";
import { type Layout, makeSocketFolder, socketFolder } from "./layout.ts";
import { redisAnswers } from "./probe.ts";
import { type ServerOptions, ServerProcess, type ServerProgram } from "./process.ts";
import { findRedis } from "./programs.ts";

/** A private Redis on a unix socket. `url` is for `connectRedis`. */
export interface RedisServer {
  readonly url: string;
  readonly process: ServerProcess;
}

// What Redis acknowledged must be in its append-only file, also while that file is being rewritten; there
// are no snapshots beside it, and nothing may be evicted. No network port: only the socket.
const redisArguments = (socket: string, folder: string, durability: Durability): string[] => [
  ...["--port", "0", "--unixsocket", socket, "--unixsocketperm", "700"],
  ...["--dir", folder, "--daemonize", "no", "--supervised", "no", "--pidfile", ""],
  ...["--appendonly", "yes", "--appendfsync", durability === "durable" ? "always" : "everysec"],
  ...["--no-appendfsync-on-rewrite", "no", "--save", "", "--maxmemory-policy", "noeviction"],
];

/** How a Redis with its data in the layout's folder is run. Throws `CannotStart` when there is no program for it. */
export function redisProgram(layout: Layout, durability: Durability): ServerProgram {
  const program = findRedis();
  if (!program) throw new CannotStart("redis-server is not on this machine.");
  const sockets = socketFolder(layout);
  makeSocketFolder(sockets);
  mkdirSync(layout.redis, { recursive: true, mode: 0o700 });
  const socket = join(sockets, "redis.sock");
  return {
    name: "redis-server",
    command: [program, ...redisArguments(socket, layout.redis, durability)],
    socket,
    logFile: layout.redisLog,
    isReady: () => redisAnswers(socket),
  };
}

/** A Redis with its data in the layout's folder, not started yet. Throws `CannotStart` when there is no program for it. */
export function redisServer(
  layout: Layout,
  durability: Durability,
  options: ServerOptions,
): RedisServer {
  return redisOf(redisProgram(layout, durability), options);
}

/** The Redis that this program is, not started yet. */
export const redisOf = (program: ServerProgram, options: ServerOptions): RedisServer => ({
  url: `unix://${encodeURI(program.socket)}`,
  process: new ServerProcess(program, options),
});
