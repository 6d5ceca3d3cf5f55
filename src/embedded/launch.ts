// Starts everything in order in this one process, waits for the signal to stop, and stops everything in the
// opposite order: the service, the database, Redis, the folder. Whatever was opened is closed, also when a
// later step failed or the signal came in the middle of the start.

import { namedServers, readConfig } from "../config.ts";
import { limits } from "../limits.ts";
import { createLog } from "../log.ts";
import { BadSettings } from "../servers.ts";
import { type Service, startService } from "../service.ts";
import { tracingOf } from "../tracing/wanted.ts";
import { hasDemo, isEmpty, makeDemo } from "./demo.ts";
import { CannotStart } from "./errors.ts";
import { ensureServers } from "./install.ts";
import { type Layout, layoutOf, prepareDataFolder } from "./layout.ts";
import { type FolderLock, takeFolder } from "./lock.ts";
import type { LauncherOptions } from "./options.ts";
import { demandFreePort } from "./ports.ts";
import { loadSecrets } from "./secrets.ts";
import { type Servers, startServers } from "./servers.ts";
import { type TourFacts, tour } from "./tour.ts";

type Say = (text: string) => void;
type Close = () => Promise<void> | void;

interface Launch {
  readonly options: LauncherOptions;
  readonly layout: Layout;
  readonly lock: FolderLock;
  /** Aborted when it is time to stop; the reason is the signal's name. */
  readonly stop: AbortSignal;
  readonly say: Say;
  /** What has been opened, to be closed last first. */
  readonly opened: Close[];
}

/** Runs the service with its servers until `stop` is aborted. Throws `CannotStart` when it cannot begin. */
export async function launch(options: LauncherOptions, stop: AbortSignal, say: Say): Promise<void> {
  const layout = layoutOf(options.dataDir);
  prepareDataFolder(layout);
  const lock = takeFolder(layout);
  const opened: Close[] = [() => lock.release()];
  try {
    await open({ options, layout, lock, stop, say, opened });
    await aborted(stop);
  } catch (error) {
    // What fails because everything is being stopped is no failure.
    if (!stop.aborted) throw error;
  } finally {
    if (stop.aborted) say("Stopping: the service, then the database, then Redis");
    for (let close = opened.pop(); close; close = opened.pop()) await closeOrSay(close, say);
    if (stop.aborted) say(`Stopped. The data stays in ${layout.folder}`);
  }
}

/** One thing that does not close must not keep the next one open. */
async function closeOrSay(close: Close, say: Say): Promise<void> {
  try {
    await close();
  } catch (error) {
    say(`While stopping: ${String(error)}`);
  }
}

async function open(launch: Launch): Promise<void> {
  const { options, layout, lock, stop, say, opened } = launch;
  const named = namedServers();
  const defaults = { ...loadSecrets(layout.secrets), LOG_LEVEL: "warn" };
  // The servers' addresses are not known yet; everything else is checked before the slow part begins.
  const before = configOf({
    ...defaults,
    REDIS_URL: "unix:///later",
    DATABASE_URL: "mysql://later",
  });
  demandFreePort("PORT", before.host, before.port);
  demandFreePort("OPS_PORT", "127.0.0.1", before.opsPort);
  await ensureServers({ redis: !named.redisUrl, mysql: !named.databaseUrl }, say);
  stop.throwIfAborted();
  const servers = await startServers({
    ...named,
    dataDir: layout.folder,
    durability: before.durability,
    onSay: say,
    signal: stop,
  });
  opened.push(() => servers.stop());
  stop.throwIfAborted();
  const config = configOf({
    ...defaults,
    REDIS_URL: servers.redisUrl,
    DATABASE_URL: servers.databaseUrl,
  });
  const service = startService(config, createLog(config.logLevel), await tracingOf(config));
  opened.push(() => service.stop(stop.reason === "SIGTERM" ? limits.stopReadyGraceMs : 0));
  await untilOpen(service, stop, say);
  lock.publish({ url: service.url, opsUrl: service.opsUrl });
  const demo = await demoOf(service, servers, { options, layout, say });
  say(
    tour({
      url: service.url,
      opsUrl: service.opsUrl,
      dataDir: layout.folder,
      durability: config.durability,
      demo,
    }),
  );
}

function configOf(defaults: Record<string, string>) {
  const result = readConfig(defaults);
  if (!result.ok) throw cannotStartWith(result.problems);
  return result.config;
}

const cannotStartWith = (problems: readonly string[]): CannotStart =>
  new CannotStart(`It cannot start like this:\n${problems.map((line) => `  ${line}`).join("\n")}`);

async function untilOpen(service: Service, stop: AbortSignal, say: Say): Promise<void> {
  const slow = setTimeout(
    () => say(`Not open yet; ${service.opsUrl}/readyz says what it waits for`),
    limits.serverSlowMs,
  );
  try {
    await Promise.race([service.ready, aborted(stop)]);
    stop.throwIfAborted();
  } catch (error) {
    throw error instanceof BadSettings ? cannotStartWith(error.problems) : error;
  } finally {
    clearTimeout(slow);
  }
}

/** Makes the demo where it belongs: in a private database that is empty. A demo that fails is no reason not to serve. */
async function demoOf(
  service: Service,
  servers: Servers,
  { options, layout, say }: Pick<Launch, "options" | "layout" | "say">,
): Promise<TourFacts["demo"]> {
  if (!servers.mysql) return "none";
  if (!(await isEmpty(servers.databaseUrl))) return hasDemo(layout.demo) ? "kept" : "none";
  if (!options.demo) return "none";
  try {
    return await makeDemo(service.url, layout.demo);
  } catch (error) {
    say(`The demo could not be made. ${String(error)}`);
    return "none";
  }
}

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
