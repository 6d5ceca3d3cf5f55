// Gets missing server programs. As root on Debian or Ubuntu they are installed with apt; a service of the
// same name must not start on its own, neither now nor at the next boot: this machine asked for programs.
// apt asks /usr/sbin/policy-rc.d before it starts a service, so ours says no while it installs. It says no
// only as long as this process lives, and is taken away in every case, so that a killed start does not
// leave a machine on which nothing starts.

import { chmodSync, existsSync, lstatSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { CannotStart } from "./errors.ts";
import { findDatabase, findProgram, findRedis } from "./programs.ts";

export interface Needed {
  readonly redis: boolean;
  readonly mysql: boolean;
}

type Server = keyof Needed;

interface PackageManager {
  readonly program: string;
  readonly command: string;
  readonly packages: Readonly<Record<Server, string>>;
}

const DEBIAN = { redis: "redis-server", mysql: "mariadb-server-core mariadb-client-core" };

const MANAGERS: readonly PackageManager[] = [
  {
    program: "apt-get",
    command: "sudo apt-get install --no-install-recommends",
    packages: DEBIAN,
  },
  {
    program: "dnf",
    command: "sudo dnf install",
    packages: { redis: "valkey", mysql: "mariadb-server" },
  },
  {
    program: "apk",
    command: "sudo apk add",
    packages: { redis: "redis", mysql: "mariadb mariadb-client" },
  },
  { program: "brew", command: "brew install", packages: { redis: "redis", mysql: "mariadb" } },
];

/** Which of the needed servers have no program on this machine. */
function missingServers(needed: Needed): Server[] {
  const missing: Server[] = [];
  if (needed.redis && !findRedis()) missing.push("redis");
  if (needed.mysql && !findDatabase(undefined)) missing.push("mysql");
  return missing;
}

/** What to tell somebody whose machine lacks these servers, when they cannot be installed for them. */
export function adviceFor(
  missing: readonly Server[],
  hasProgram: (name: string) => boolean = (name) => findProgram(name) !== undefined,
): string {
  const names = { redis: "Redis (redis-server)", mysql: "MariaDB or MySQL (mariadbd, mysqld)" };
  const manager = MANAGERS.find(({ program }) => hasProgram(program));
  const install = manager
    ? `${manager.command} ${missing.map((server) => manager.packages[server]).join(" ")}`
    : "your system's package manager";
  return [
    `Not on this machine: ${missing.map((server) => names[server]).join(", ")}. One of these helps:`,
    `  install it        ${install}`,
    "  use your own      set REDIS_URL and DATABASE_URL",
    "  use containers    docker compose up",
  ].join("\n");
}

/**
 * Sees to it that the needed server programs are there. Installs them when it may; throws `CannotStart`
 * with advice when it may not, or when the installation fails.
 */
export async function ensureServers(needed: Needed, onSay: (text: string) => void): Promise<void> {
  const missing = missingServers(needed);
  if (missing.length === 0) return;
  const packages = missing.flatMap((server) => DEBIAN[server].split(" "));
  if (!(await installPackages(packages, onSay))) throw new CannotStart(adviceFor(missing));
  const still = missingServers(needed);
  if (still.length > 0) throw new CannotStart(adviceFor(still));
}

/**
 * Installs packages with apt, and starts no service of theirs. False where this process may not; throws
 * `CannotStart` when apt fails.
 */
export async function installPackages(
  packages: string[],
  onSay: (text: string) => void,
): Promise<boolean> {
  const mayInstall =
    process.getuid?.() === 0 && existsSync("/etc/debian_version") && findProgram("apt-get");
  if (!mayInstall) return false;
  onSay(`Installing ${packages.join(", ")} with apt; no system service is started`);
  await withoutServiceStarts("/usr/sbin/policy-rc.d", () => installWithApt(packages));
  return true;
}

async function installWithApt(packages: string[]): Promise<void> {
  const apt = (...rest: string[]) => [
    "env",
    "DEBIAN_FRONTEND=noninteractive",
    "apt-get",
    "-q",
    "-y",
    "-o",
    "DPkg::Lock::Timeout=120",
    ...rest,
  ];
  // A list that cannot be refreshed may still be good enough; the installation tells.
  await run(apt("update"));
  const { code, output } = await run(apt("install", "--no-install-recommends", ...packages));
  if (code !== 0) {
    throw new CannotStart(
      `apt could not install ${packages.join(" ")}:\n${output.trim().split("\n").slice(-12).join("\n")}`,
    );
  }
  // Packages enable their service for the next boot; without systemd there is nothing to switch off.
  if (packages.includes("redis-server") && findProgram("systemctl")) {
    await run(["systemctl", "--quiet", "disable", "redis-server.service"]);
  }
}

async function run(command: string[]): Promise<{ code: number; output: string }> {
  const child = Bun.spawn(command, { stdin: "ignore", stdout: "pipe", stderr: "pipe" });
  const [output, faults] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  return { code: await child.exited, output: output + faults };
}

/** Runs `work` while the policy file at `path` forbids service starts; an existing file is back afterwards as it was. */
export async function withoutServiceStarts(path: string, work: () => Promise<void>): Promise<void> {
  const aside = `${path}.before-doorbuster`;
  // A start that was killed while installing left these two.
  if (isThere(aside)) renameSync(aside, path);
  if (isThere(path)) renameSync(path, aside);
  try {
    writeFileSync(path, policyScript(aside), { flag: "wx" });
    chmodSync(path, 0o755);
    await work();
  } finally {
    rmSync(path, { force: true });
    if (isThere(aside)) renameSync(aside, path);
  }
}

/** Also true for a symbolic link that leads nowhere. */
const isThere = (path: string): boolean => lstatSync(path, { throwIfNoEntry: false }) !== undefined;

const policyScript = (aside: string): string => `#!/bin/sh
# Made by Doorbuster while it installs programs, and removed when it is done.
if kill -0 ${process.pid} 2>/dev/null; then exit 101; fi
if [ -x '${aside}' ]; then exec '${aside}' "$@"; fi
exit 0
`;
