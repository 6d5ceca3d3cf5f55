// The memory of a process, as the kernel counts it.
//
// Not by `resourceUsage()` of an ended child: its peak begins with what the parent held at the fork.

import { readFileSync } from "node:fs";

/** A line of `/proc/PID/status` in bytes; undefined when the process has ended. */
function bytesOf(pid: number, name: string): number | undefined {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    const [, kilobytes] = new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(status) ?? [];
    return kilobytes === undefined ? undefined : Number(kilobytes) * 1_024;
  } catch {
    return undefined;
  }
}

/** What a process holds resident now, in bytes. Throws when it has ended. */
export function residentBytes(pid: number): number {
  const bytes = bytesOf(pid, "VmRSS");
  if (bytes === undefined) throw new Error(`process ${pid} has ended`);
  return bytes;
}

/** The most that a process has held resident so far, in bytes; undefined when it has ended. */
export const peakResidentBytes = (pid: number): number | undefined => bytesOf(pid, "VmHWM");
