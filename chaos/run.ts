// One run: load, fault after fault, calm.

import { backlogsOf, totalBacklog } from "../src/ledger/backlog.ts";
import { allShards } from "../src/redis/keys.ts";
import { type Crowd, startCrowd } from "./crowd.ts";
import { type Heal, inject } from "./faults.ts";
import type { ChaosOptions } from "./options.ts";
import { type Samples, startSampling } from "./samples.ts";
import { describeStep, type Step, scheduleOf } from "./schedule.ts";
import { type ChaosSystem, say } from "./system.ts";

/** A fault's window ends when grants have come again, and at the latest so long after it was healed. */
const WINDOW_MS_MAX = 6_000;
/** Connections for reads come back a little later than those for grabs. */
const SETTLE_MS = 600;
/** How long grants may stay away after a fault was healed. */
const AGAIN_MS_MAX = 20_000;
const CALM_MS_MAX = 60_000;
const LOOK_MS = 30;

/** What became of one step of the schedule. */
export interface Episode {
  readonly number: number;
  readonly text: string;
  readonly kinds: readonly string[];
  /** When it began, in seconds after the load had begun. */
  readonly atSeconds: number;
  readonly lastedMs: number;
  /**
   * How long after it was healed every process had granted again and had all its gates open; undefined when
   * one did not in time.
   */
  readonly againMs: number | undefined;
}

export interface Ran {
  readonly episodes: readonly Episode[];
  readonly historyFile: string;
  readonly seconds: number;
  readonly samples: Samples;
  /** Undefined when the calm did not come in time; then the reason is in `troubles`. */
  readonly calmMs: number | undefined;
  /** What the system did and must not do, one sentence each. */
  readonly troubles: readonly string[];
}

async function waitFor(
  condition: () => Promise<boolean> | boolean,
  milliseconds: number,
): Promise<boolean> {
  const deadline = performance.now() + milliseconds;
  while (!(await condition())) {
    if (performance.now() > deadline) return false;
    await Bun.sleep(LOOK_MS);
  }
  return true;
}

/** Breaks, waits, heals; the second of two begins while the first is on. */
async function endure(system: ChaosSystem, { faults }: Step): Promise<string[]> {
  const troubles: string[] = [];
  await Promise.all(
    faults.map(async (fault, place) => {
      if (place > 0) await Bun.sleep(fault.lot * 500);
      const heal: Heal = await inject(system, fault);
      await Bun.sleep(fault.forMs);
      const sentence = await heal();
      if (typeof sentence === "string") troubles.push(sentence);
    }),
  );
  await Promise.all([system.redis.revive(), system.mysql.revive()]);
  await Promise.all(system.apis.map((api) => api.start()));
  return troubles;
}

async function runStep(
  system: ChaosSystem,
  crowd: Crowd,
  step: Step,
  about: { number: number; begunAt: number },
): Promise<{ episode: Episode; troubles: string[] }> {
  const { number, begunAt } = about;
  const at = Date.now();
  crowd.window(number);
  const troubles = await endure(system, step);
  const healedAt = Date.now();
  const again = async () =>
    crowd.hasWonSince(healedAt) && (await unrest(system, true)) === undefined;
  const inWindow = await waitFor(again, WINDOW_MS_MAX - SETTLE_MS);
  if (inWindow) await Bun.sleep(SETTLE_MS);
  crowd.window(null);
  const came = inWindow || (await waitFor(again, AGAIN_MS_MAX - WINDOW_MS_MAX));
  const settled = inWindow ? SETTLE_MS : 0;
  const episode: Episode = {
    ...{ number, text: describeStep(step), kinds: step.faults.map(({ kind }) => kind) },
    atSeconds: (at - begunAt) / 1_000,
    lastedMs: healedAt - at,
    againMs: came ? Date.now() - healedAt - settled : undefined,
  };
  await Bun.sleep(step.calmMs);
  return { episode, troubles };
}

interface OpsReport {
  readonly shards: readonly { readonly gate: string; readonly closedBecause: string | null }[];
}

/** What is still missing until all is calm; undefined when nothing is. Under load there is always a backlog. */
async function unrest(system: ChaosSystem, loaded: boolean): Promise<string | undefined> {
  for (const [index, api] of system.apis.entries()) {
    try {
      const signal = AbortSignal.timeout(2_000);
      const report = (await (await fetch(`${api.opsUrl}/readyz`, { signal })).json()) as OpsReport;
      const closed = report.shards.findIndex(({ gate }) => gate !== "open");
      if (closed >= 0) {
        return `api ${index}: gate ${closed} is closed: ${report.shards[closed]?.closedBecause}`;
      }
    } catch (error) {
      return `api ${index} does not tell how it is: ${String(error)}`;
    }
  }
  if (loaded) return undefined;
  // Asked of Redis itself: what a process tells of it is up to a second old.
  const backlogs = await backlogsOf(system.redisClient, allShards).catch(() => undefined);
  if (!backlogs) return "Redis does not tell what waits for MySQL";
  const waiting = totalBacklog(backlogs);
  return waiting === 0 ? undefined : `${waiting} grants wait for MySQL`;
}

async function untilCalm(system: ChaosSystem, loaded: boolean): Promise<string | undefined> {
  const deadline = performance.now() + CALM_MS_MAX;
  for (;;) {
    const reason = await unrest(system, loaded);
    if (reason === undefined || performance.now() > deadline) return reason;
    await Bun.sleep(100);
  }
}

/** Does what the schedule says for so many seconds. Throws when the harness itself fails. */
export async function run(
  system: ChaosSystem,
  { seed, seconds, loss }: ChaosOptions,
): Promise<Ran> {
  const { secret, seller, apis, cannot, folder } = system;
  const ports = apis.map(({ links }) => links.clients.port);
  const crowd = await startCrowd(folder, { seed, secret, seller, ports, seconds });
  const troubles: string[] = [];
  const episodes: Episode[] = [];
  try {
    // Sales can be made as soon as one gate is open; the first fault must find all of them so.
    const unopened = await untilCalm(system, true);
    if (unopened) throw new Error(`the service did not open: ${unopened}`);
    const begunAt = Date.now();
    const sampling = startSampling(system);
    const schedule = scheduleOf({ seed, loss, apis: apis.length, without: new Set(cannot.keys()) });
    for (const step of schedule) {
      if (Date.now() - begunAt > seconds * 1_000) break;
      const about = { number: episodes.length + 1, begunAt };
      const { episode, troubles: more } = await runStep(system, crowd, step, about);
      episodes.push(episode);
      troubles.push(...more);
      say(lineOf(episode, crowd.attempts()));
    }
    const healedAt = Date.now();
    const opened = await untilCalm(system, true);
    await crowd.close();
    const restless = opened ?? (await untilCalm(system, false));
    if (restless) troubles.push(`no calm within ${CALM_MS_MAX / 1_000} s: ${restless}`);
    troubles.push(...system.deaths);
    return {
      ...{ episodes, troubles, historyFile: crowd.historyFile },
      seconds: (Date.now() - begunAt) / 1_000,
      samples: await sampling.end(),
      calmMs: restless ? undefined : Date.now() - healedAt,
    };
  } finally {
    await crowd.kill();
  }
}

function lineOf({ number, text, atSeconds, againMs }: Episode, attempts: number): string {
  const again = againMs === undefined ? "NOT AGAIN" : `${(againMs / 1_000).toFixed(1)} s`;
  return `${String(number).padStart(4)}  at ${atSeconds.toFixed(0).padStart(4)} s  ${text}; grants again after ${again}; ${attempts} attempts`;
}
