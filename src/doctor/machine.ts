import { limits } from "../limits.ts";
import { type Check, ok, warning } from "./check.ts";

/** A connection of each request in flight, and as much again for those that are kept alive between requests. */
const FILES_MIN = 2 * limits.httpInFlightRequestsMax;

/** How many files a process that is started from here may open; undefined where the system does not say. */
function openFilesMax(): number | undefined {
  const { stdout, exitCode } = Bun.spawnSync(["sh", "-c", "ulimit -n"]);
  if (exitCode !== 0) return undefined;
  const said = stdout.toString().trim();
  return said === "unlimited" ? Number.POSITIVE_INFINITY : Number(said);
}

export const checkMachine = (): Check[] => [judgeOpenFiles(openFilesMax())];

/** Each connection is an open file; whoever comes when there are none left is not even refused. */
export function judgeOpenFiles(allowed: number | undefined): Check {
  const name = "open files";
  if (allowed === undefined || Number.isNaN(allowed)) {
    return warning(name, "the system does not say how many", "Look at: ulimit -n");
  }
  const found = `${allowed === Number.POSITIVE_INFINITY ? "without limit" : allowed} for a process started from here`;
  if (allowed >= FILES_MIN) return ok(name, found);
  return warning(
    name,
    found,
    `Each connection of a client takes one; let it be ${FILES_MIN} at least: LimitNOFILE in the service's unit, --ulimit nofile= for a container, or ulimit -n before the start.`,
  );
}
