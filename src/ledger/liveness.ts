// Which processes live. A heartbeat in MySQL tells of all of them, five seconds late; of those that run beside
// this one the system tells at once.

import { readFileSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";
import { gt } from "drizzle-orm";
import type { Database } from "../db/client.ts";
import { secondsFromNow } from "../db/columns.ts";
import { type ScriptSources, scriptSources } from "../grab/scripts.ts";
import { limits } from "../limits.ts";
import { processes } from "./table.ts";

/**
 * Names this host and, on Linux, its boot and its process namespace: only within one does a pid mean the same
 * process. Cloned machines share a name, and the first namespace has the same number everywhere.
 */
export const thisPlace: string = `${hostname().slice(0, 150)} ${boot()} ${namespace()}`;

function boot(): string {
  try {
    return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  } catch {
    return "";
  }
}

function namespace(): string {
  try {
    return readlinkSync("/proc/self/ns/pid");
  } catch {
    return "";
  }
}

function isGone({ host, pid }: { host: string; pid: number }): boolean {
  if (host !== thisPlace) return false;
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return (error as { code?: string }).code === "ESRCH";
  }
}

const beatsLately = () => gt(processes.heartbeatAt, secondsFromNow(-limits.leaseSeconds));

/**
 * The ids of the processes whose heart has beaten lately and that are not known to be gone; with `orSilent`, of all
 * that are not known to be gone, however old their last beat is.
 */
export async function livingProcesses(
  db: Database,
  { orSilent = false }: { orSilent?: boolean } = {},
): Promise<string[]> {
  return (await readLiving(db, orSilent)).map(({ id }) => id);
}

async function readLiving(db: Database, orSilent: boolean) {
  const { id, host, pid, reachesRedis } = processes;
  const rows = await db
    .select({ id, host, pid, reachesRedis })
    .from(processes)
    .where(orSilent ? undefined : beatsLately());
  return rows.filter((one) => !isGone(one));
}

/** How many processes live, and how many of them can record, because Redis answers them. */
export async function countLiving(db: Database): Promise<{ living: number; recording: number }> {
  const living = await readLiving(db, false);
  const recording = living.filter(({ reachesRedis }) => reachesRedis);
  return { living: living.length, recording: recording.length };
}

/**
 * The ids of the processes that have served within `witnessGoneSeconds` and are gone without having said so: what
 * only they knew nobody knows.
 */
export async function lostProcesses(db: Database): Promise<string[]> {
  const lately = await db
    .select({ id: processes.id })
    .from(processes)
    .where(gt(processes.heartbeatAt, secondsFromNow(-limits.witnessGoneSeconds)));
  const living = new Set(await livingProcesses(db));
  return lately.filter(({ id }) => !living.has(id)).map(({ id }) => id);
}

/** What a process says of its scripts when it enrols. */
export const ownScripts: string = JSON.stringify(scriptSources);

/** The scripts of every version of the service that serves now, this one's included, each version once. */
export async function scriptsOfTheLiving(db: Database): Promise<ScriptSources[]> {
  // Not by DISTINCT, which takes texts that differ in case only for the same.
  const rows = await db.select({ scripts: processes.scripts }).from(processes).where(beatsLately());
  const versions = new Set([ownScripts, ...rows.map((row) => row.scripts ?? ownScripts)]);
  return [...versions].map((text) => JSON.parse(text) as ScriptSources);
}
