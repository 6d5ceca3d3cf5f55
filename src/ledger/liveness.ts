// Which processes live. A heartbeat in MySQL tells of all of them, five seconds late; of those that run beside
// this one the system tells at once.

import { readlinkSync } from "node:fs";
import { hostname } from "node:os";
import { gt } from "drizzle-orm";
import type { Database } from "../db/client.ts";
import { secondsFromNow } from "../db/columns.ts";
import { type ScriptSources, scriptSources } from "../grab/scripts.ts";
import { limits } from "../limits.ts";
import { processes } from "./table.ts";

/** Names this host and, on Linux, its process namespace: only within one does a pid mean the same process. */
export const thisPlace: string = `${hostname().slice(0, 200)} ${namespace()}`;

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

/** The ids of the processes whose heart has beaten lately and that are not known to be gone. */
export async function livingProcesses(db: Database): Promise<string[]> {
  const beating = await db
    .select({ id: processes.id, host: processes.host, pid: processes.pid })
    .from(processes)
    .where(beatsLately());
  return beating.filter((one) => !isGone(one)).map(({ id }) => id);
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
  const rows = await db
    .selectDistinct({ scripts: processes.scripts })
    .from(processes)
    .where(beatsLately());
  const versions = new Set([ownScripts, ...rows.map((row) => row.scripts ?? ownScripts)]);
  return [...versions].map((text) => JSON.parse(text) as ScriptSources);
}
