// The two base lines, in the same run and on the same machine: what Bun alone does with a request, and what
// Redis alone does with one grab a call.

import { mkdtempSync } from "node:fs";
import { join } from "node:path";
import { redisAnswers } from "../src/embedded/probe.ts";
import { ServerProcess } from "../src/embedded/process.ts";
import { findProgram, findRedis } from "../src/embedded/programs.ts";
import { createLog } from "../src/log.ts";
import { connectRedis } from "../src/redis/client.ts";
import { saleKeys } from "../src/redis/keys.ts";
import { type BareFigure, measureBare } from "./bare.ts";
import { processMicros } from "./cpu.ts";
import oneGrab from "./one-grab.lua" with { type: "text" };
import { type Bench, Opened, say } from "./system.ts";

const SALE = 42;
const EPOCH = "1";
/** redis-benchmark keeps it in 32 bits. */
const USERS = 2_000_000_000;
const TRIAL_CALLS = 20_000;

export interface RedisFigure {
  readonly name: string;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Of the Redis process, per call. */
  readonly cpuMicros: number;
  readonly command: string;
}

function freePort(): number {
  const listener = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  const { port } = listener;
  listener.stop(true);
  return port;
}

/** A Redis that answers on a unix socket and on TCP. */
async function startRedis(bench: Bench, opened: Opened, name: string, arguments_: string[]) {
  const folder = mkdtempSync(join(bench.folder, `${name}-`));
  const socket = join(folder, "redis.sock");
  const port = freePort();
  const server = new ServerProcess(
    {
      name: "redis-server",
      command: [
        ...[findRedis() ?? "redis-server", "--bind", "127.0.0.1", "--port", String(port)],
        ...["--unixsocket", socket, "--dir", folder, "--save", "", ...arguments_],
      ],
      ...{ socket, logFile: join(bench.folder, `${name}.log`) },
      isReady: () => redisAnswers(socket),
    },
    { keepUp: false, onSay: say, signal: bench.stop },
  );
  opened.add(() => server.stop());
  await server.start();
  const client = connectRedis(`unix://${socket}`, "worker", createLog("warn"));
  opened.add(() => client.disconnect());
  await new Promise((resolve) => client.once("ready", resolve));
  const keys = saleKeys(SALE);
  await client.hset(keys.gate, "epoch", EPOCH, "state", "open");
  await client.hset(
    keys.sale,
    ...["state", "open", "total", 1e12, "granted", 0],
    ...["returned", 0, "recorded", 0, "limit", 1],
  );
  const sha = String(await client.script("LOAD", oneGrab));
  const call = [
    ...["EVALSHA", sha, "5", keys.gate, keys.sale, keys.winners, keys.ledger, keys.unrecorded],
    ...[EPOCH, String(SALE), "__rand_int__"],
  ];
  /** The calls of redis-benchmark may all have failed; it would not say so. */
  const won = () => client.hlen(keys.winners);
  const forget = () => client.del(keys.winners);
  return { socket, port, pid: server.pid ?? 0, call, won, forget };
}

type RunningRedis = Awaited<ReturnType<typeof startRedis>>;

async function redisBenchmark(
  bench: Bench,
  name: string,
  transport: string[],
  { call, pid, won, forget }: RunningRedis,
  { connections, seconds }: { connections: number; seconds: number },
): Promise<RedisFigure> {
  const program = findProgram("redis-benchmark", "valkey-benchmark");
  if (!program) throw new Error("redis-benchmark is not on this machine; it is in redis-tools");
  const run = async (calls: number) => {
    bench.stop.throwIfAborted();
    const options = [
      "-P",
      "1",
      "-c",
      String(connections),
      "-n",
      String(calls),
      "-r",
      String(USERS),
    ];
    const child = Bun.spawn([program, ...transport, ...options, "--csv", ...call], {
      ...{ stdin: "ignore", stdout: "pipe", stderr: "inherit" },
    });
    const lines = (await new Response(child.stdout).text()).trim().split("\n");
    const row = (lines.at(-1) ?? "").split('","').map((field) => Number(field.replaceAll('"', "")));
    // rps, average, minimum, p50, p95, p99, maximum
    return { perSecond: row[1] ?? 0, p50Ms: row[4] ?? 0, p99Ms: row[6] ?? 0 };
  };
  const trial = await run(TRIAL_CALLS);
  const calls = Math.ceil(trial.perSecond * seconds);
  // It draws its users from the second and its own id, so that two runs may draw the same ones.
  await forget();
  const before = processMicros(pid);
  const figure = await run(calls);
  const cpuMicros = (processMicros(pid) - before) / calls;
  const share = (await won()) / calls;
  if (share < 0.99) throw new Error(`only ${share} of redis-benchmark's calls won`);
  const command = `redis-benchmark ${transport[0]} … -P 1 -c ${connections} -n ${calls} -r ${USERS} EVALSHA one-grab.lua 5 … __rand_int__`;
  return { name, ...figure, cpuMicros, command };
}

/** One grab a call, without group commit: over the transport that the service uses, over TCP, and with fsync. */
async function measureRedis(
  bench: Bench,
  options: { connections: number; seconds: number },
): Promise<RedisFigure[]> {
  const opened = new Opened();
  bench.opened.add(() => opened.close());
  try {
    const fast = await startRedis(bench, opened, "base-fast", ["--appendonly", "no"]);
    const durable = await startRedis(bench, opened, "base-durable", [
      ...["--appendonly", "yes", "--appendfsync", "always"],
    ]);
    const unix = (redis: RunningRedis) => ["-s", redis.socket];
    const measure = (name: string, transport: string[], redis: RunningRedis) =>
      redisBenchmark(bench, name, transport, redis, options);
    return [
      await measure("unix socket, no fsync", unix(fast), fast),
      await measure("TCP loopback, no fsync", ["-p", String(fast.port)], fast),
      await measure("unix socket, fsync always", unix(durable), durable),
    ];
  } finally {
    await opened.close();
  }
}

export interface BaseLines {
  readonly bare: BareFigure;
  readonly redis: readonly RedisFigure[];
}

/** Both base lines. */
export async function measureBaseLines(
  bench: Bench,
  options: { connections: number; seconds: number },
): Promise<BaseLines> {
  return { bare: await measureBare(bench, options), redis: await measureRedis(bench, options) };
}

/** The mean of what was measured before and after everything else: a machine is not equally fast all the time. */
export function meanOf(before: BaseLines, after: BaseLines): BaseLines {
  return {
    bare: meanFigure(before.bare, after.bare),
    redis: before.redis.map((figure, at) => meanFigure(figure, after.redis[at] ?? figure)),
  };
}

/** Numbers become their mean; everything else stays as it was before. */
function meanFigure<Kind extends object>(before: Kind, after: Kind): Kind {
  const mean = { ...before };
  for (const name of Object.keys(before) as (keyof Kind)[]) {
    const [one, other] = [before[name], after[name]];
    if (typeof one === "number" && typeof other === "number") {
      mean[name] = ((one + other) / 2) as Kind[keyof Kind];
    }
  }
  return mean;
}
