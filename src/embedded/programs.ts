// Finds the server programs on this machine. Debian keeps mysqld and mariadbd in /usr/sbin, which is not
// on the PATH of a normal user; Red Hat keeps them in /usr/libexec, Homebrew in a folder of its own.

import { existsSync } from "node:fs";
import { join } from "node:path";

const MORE_FOLDERS = [
  "/usr/sbin",
  "/usr/local/sbin",
  "/usr/libexec",
  "/usr/local/bin",
  "/opt/homebrew/bin",
].join(":");

export type Flavour = "mariadb" | "mysql";

/** A database server program; `install` is MariaDB's script that makes the first data. */
export type DatabaseProgram =
  | { readonly flavour: "mariadb"; readonly path: string; readonly install: string }
  | { readonly flavour: "mysql"; readonly path: string };

/** The path of the first of these programs that is on this machine. */
export function findProgram(...names: string[]): string | undefined {
  for (const name of names) {
    const path = Bun.which(name) ?? Bun.which(name, { PATH: MORE_FOLDERS });
    if (path) return path;
  }
  return undefined;
}

/** Valkey speaks the same protocol and keeps the same files. */
export const findRedis = (): string | undefined => findProgram("redis-server", "valkey-server");

function findMariadb(): DatabaseProgram | undefined {
  const path = findProgram("mariadbd") ?? mysqldOf("mariadb");
  const install = findProgram("mariadb-install-db", "mysql_install_db");
  // Without this helper, which Debian ships with the client, the script above fails.
  if (!path || !install || !findProgram("my_print_defaults")) return undefined;
  return { flavour: "mariadb", path, install };
}

function findMysql(): DatabaseProgram | undefined {
  const path = mysqldOf("mysql");
  return path ? { flavour: "mysql", path } : undefined;
}

/** `mysqld` is MySQL's program, and an old name of MariaDB's: its version tells which. */
function mysqldOf(flavour: Flavour): string | undefined {
  const path = findProgram("mysqld");
  if (!path) return undefined;
  const { stdout } = Bun.spawnSync([path, "--no-defaults", "--version"]);
  const isMariadb = /mariadb/i.test(stdout.toString());
  return isMariadb === (flavour === "mariadb") ? path : undefined;
}

/** The server program to use for this data; MariaDB first, unless the data is MySQL's. */
export function findDatabase(dataFlavour: Flavour | undefined): DatabaseProgram | undefined {
  if (dataFlavour === "mysql") return findMysql();
  if (dataFlavour === "mariadb") return findMariadb();
  return findMariadb() ?? findMysql();
}

/** Which server made this data folder; undefined when it holds none yet. The two do not read each other's. */
export function flavourOfData(folder: string): Flavour | undefined {
  if (existsSync(join(folder, "aria_log_control"))) return "mariadb";
  if (existsSync(join(folder, "mysql.ibd"))) return "mysql";
  return undefined;
}
