// `bun run serve`: the server alone, from the environment.

import { readConfig } from "./config.ts";
import { limits } from "./limits.ts";
import { createLog } from "./log.ts";
import { BadSettings, lookAtServers } from "./servers.ts";
import { type Service, startService } from "./service.ts";
import { tracingOf } from "./tracing/wanted.ts";

function refuse(problems: string[]): never {
  console.error(
    `Doorbuster does not start:\n${problems.map((problem) => `  - ${problem}`).join("\n")}`,
  );
  console.error("Every setting is explained in .env.example.");
  process.exit(1);
}

function start(): Service {
  try {
    return startService(config, log, tracing);
  } catch (error) {
    const code = (error as { code?: unknown }).code;
    if (code !== "EADDRINUSE" && code !== "EACCES") throw error;
    return refuse([`PORT or OPS_PORT: ${(error as Error).message}`]);
  }
}

const result = readConfig();
if (!result.ok) {
  const { problems } = await lookAtServers(result.servers, createLog("silent"));
  refuse([...result.problems, ...problems]);
}
const { config } = result;
const log = createLog(config.logLevel);
const tracing = await tracingOf(config);
const service = start();
log.info({ url: service.url, opsUrl: service.opsUrl, durability: config.durability }, "listening");

let stopping = false;
async function stop(signal: string, graceMs: number): Promise<void> {
  if (stopping) return;
  stopping = true;
  log.info({ signal }, "stopping");
  await service.stop(graceMs);
  log.info("stopped");
  process.exit(0);
}
process.on("SIGTERM", () => void stop("SIGTERM", limits.stopReadyGraceMs));
process.on("SIGINT", () => void stop("SIGINT", 0));

try {
  await service.ready;
  log.info("ready");
} catch (error) {
  await service.stop(0);
  if (error instanceof BadSettings) refuse(error.problems);
  throw error;
}
