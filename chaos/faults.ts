// How each fault of the schedule is done to the system, and undone.

import { clockOff } from "../test/harness/faketime.ts";
import { Random } from "./random.ts";
import type { Fault, FaultKind, PlainKind, Toxic } from "./schedule.ts";
import * as stores from "./stores.ts";
import type { ChaosSystem } from "./system.ts";

/** Undoes a fault. Gives a sentence when the system did something that it must not do, and anything else otherwise. */
export type Heal = () => Promise<unknown>;
export type Inject = (system: ChaosSystem, fault: Fault) => Promise<Heal>;

const SLOW_MS = [20, 400] as const;
const SLICE_BYTES = [1, 64] as const;
const LIMIT_BYTES = [0, 4_000] as const;
/** Minutes and an hour, in both directions. */
const CLOCK_SECONDS = [-3_600, -600, -90, 90, 600, 3_600] as const;
/** Servers of one host do not come back in the same moment. */
const APART_MS = 400;

const between = ([least, most]: readonly [number, number], lot: number): number =>
  Math.floor(least + lot * (most - least));

const apiOf = ({ apis }: ChaosSystem, { api }: Fault) => {
  const found = apis[api];
  if (!found) throw new Error(`there is no api ${api}`);
  return found;
};

const killApi: Inject = async (system, fault) => {
  const api = apiOf(system, fault);
  await api.kill();
  return () => api.start();
};

const stopApi: Inject = async (system, fault) => {
  const api = apiOf(system, fault);
  api.freeze();
  return async () => api.thaw();
};

const restartInTurn: Inject = async ({ apis }, { lot }) => {
  const order = lot < 0.5 ? apis : apis.toReversed();
  const bad: string[] = [];
  for (const api of order) {
    const sentence = await api.stop();
    if (sentence) bad.push(sentence);
    await api.start();
  }
  return async () => bad.join("; ") || undefined;
};

const kill =
  (name: "redis" | "mysql"): Inject =>
  async (system) => {
    await system[name].kill();
    return () => system[name].start();
  };

const stop =
  (name: "redis" | "mysql"): Inject =>
  async (system) => {
    await system[name].freeze();
    return () => system[name].thaw();
  };

/** Each is started on its own, in a drawn order, and must wait for those that it needs. */
const killEverything: Inject = async ({ apis, redis, mysql }, { lot }) => {
  const all = [...apis, redis, mysql];
  await Promise.all(all.map((one) => one.kill()));
  return async () => {
    const order = new Random(String(lot), "order").shuffle(all);
    await Promise.all(
      order.map(async (one, place) => {
        await Bun.sleep(place * APART_MS);
        await one.start();
      }),
    );
  };
};

const secondsOf = ({ lot }: Fault): number =>
  CLOCK_SECONDS[Math.floor(lot * CLOCK_SECONDS.length)] ?? 600;

/** Killed and started with a wrong clock; healed the same way, so that the clock jumps twice. */
const moveClock =
  (of: "api" | "redis" | "mysql"): Inject =>
  async (system, fault) => {
    const one = of === "api" ? apiOf(system, fault) : system[of];
    await one.kill();
    await one.start(clockOff(secondsOf(fault)));
    return async () => {
      await one.kill();
      await one.start();
    };
  };

const breakLink: Inject = async (system, fault) => {
  const link = apiOf(system, fault).links[fault.link ?? "redis"];
  const toxics: Record<Toxic, () => void> = {
    cut: () => link.cut(),
    frozen: () => link.freeze(),
    slow: () => link.slow(between(SLOW_MS, fault.lot)),
    sliced: () => link.slice(between(SLICE_BYTES, fault.lot)),
    reset: () => link.reset(),
    limited: () => link.limitAnswers(between(LIMIT_BYTES, fault.lot)),
  };
  toxics[fault.toxic ?? "cut"]();
  return async () => link.heal();
};

const PLAIN: Record<PlainKind, Inject> = {
  "api killed": killApi,
  "api stopped": stopApi,
  "lease holder stopped": stopApi,
  "apis restarted in turn": restartInTurn,
  "redis killed": kill("redis"),
  "redis stopped": stop("redis"),
  "redis paused": stores.pauseRedis,
  "redis rewrites its file": stores.rewriteFile,
  "scripts flushed": stores.flushScripts,
  "mysql killed": kill("mysql"),
  "mysql stopped": stop("mysql"),
  "mysql locked": stores.lockMysql,
  "mysql read-only": stores.makeReadOnly,
  "mysql connections killed": stores.killConnections,
  "everything killed": killEverything,
  "disk full": stores.fillDisk,
  "clock of api moved": moveClock("api"),
  "clock of redis moved": moveClock("redis"),
  "clock of mysql moved": moveClock("mysql"),
  "redis emptied": stores.emptyRedis,
  "redis lost its tail": stores.cutTail,
};

const injectOf = (kind: FaultKind): Inject => (kind === "link" ? breakLink : PLAIN[kind]);

export const inject: Inject = (system, fault) => injectOf(fault.kind)(system, fault);
