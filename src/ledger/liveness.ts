// Which processes live. A heartbeat in MySQL tells of all of them, five seconds late; of those that run beside
// this one the system tells at once.

import { readlinkSync } from "node:fs";
import { hostname } from "node:os";
import { gt } from "drizzle-orm";
import type { Database } from "../db/client.ts";
import { secondsFromNow } from "../db/columns.ts";
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

/** The ids of the processes whose heart has beaten lately and that are not known to be gone. */
export async function livingProcesses(db: Database): Promise<string[]> {
  const beating = await db
    .select({ id: processes.id, host: processes.host, pid: processes.pid })
    .from(processes)
    .where(gt(processes.heartbeatAt, secondsFromNow(-limits.leaseSeconds)));
  return beating.filter((one) => !isGone(one)).map(({ id }) => id);
}
