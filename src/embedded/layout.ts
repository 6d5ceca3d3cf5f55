// Where the launcher keeps things. Everything is under one folder that only its owner may enter, because
// the servers in it ask nobody for a password.

import { createHash } from "node:crypto";
import { chmodSync, lstatSync, mkdirSync, readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { limits } from "../limits.ts";
import { CannotStart } from "./errors.ts";

export interface Layout {
  readonly folder: string;
  readonly lock: string;
  readonly owner: string;
  readonly secrets: string;
  readonly demo: string;
  readonly redis: string;
  readonly redisLog: string;
  readonly mysql: string;
  readonly mysqlTemporary: string;
  readonly mysqlLog: string;
}

const OURS = new Set([
  "lock",
  "lock-journal",
  "running.json",
  "secrets.json",
  "secrets.json.new",
  "demo.json",
  "redis",
  "redis.log",
  "mysql",
  "mysql.new",
  "mysql.tmp",
  "mysql.log",
  "run",
  "test",
  "bench",
  "chaos",
]);

export function layoutOf(dataFolder: string): Layout {
  const folder = resolve(dataFolder);
  return {
    folder,
    lock: join(folder, "lock"),
    owner: join(folder, "running.json"),
    secrets: join(folder, "secrets.json"),
    demo: join(folder, "demo.json"),
    redis: join(folder, "redis"),
    redisLog: join(folder, "redis.log"),
    mysql: join(folder, "mysql"),
    mysqlTemporary: join(folder, "mysql.tmp"),
    mysqlLog: join(folder, "mysql.log"),
  };
}

/**
 * Makes the data folder, or closes an existing one to others. Throws `CannotStart` when the folder holds
 * things that are not ours: taking over somebody's folder would change who may read it.
 */
export function prepareDataFolder(layout: Layout): void {
  mkdirSync(layout.folder, { recursive: true, mode: 0o700 });
  const strange = readdirSync(layout.folder).find((name) => !OURS.has(name));
  if (strange) {
    throw new CannotStart(
      `${layout.folder} holds "${strange}", so it is not a data folder of Doorbuster. Name another one with --data.`,
    );
  }
  chmodSync(layout.folder, 0o700);
}

/**
 * The folder for the servers' sockets: `run` in the data folder, or, when that path is too long for a unix
 * socket, one in the system's temporary folder whose name follows from the data folder.
 */
export function socketFolder(layout: Layout, temporary: string = tmpdir()): string {
  const near = join(layout.folder, "run");
  if (fits(near)) return near;
  const id = createHash("sha256").update(layout.folder).digest("hex").slice(0, 12);
  const far = join(temporary, `doorbuster-${process.getuid?.() ?? 0}-${id}`);
  if (!fits(far)) {
    throw new CannotStart(
      `The path ${far} is too long for a unix socket. Set TMPDIR to a short path.`,
    );
  }
  return far;
}

const fits = (folder: string): boolean =>
  Buffer.byteLength(join(folder, "mysql.sock")) <= limits.socketPathBytesMax;

/** Makes the folder for sockets. The temporary folder is everybody's, so one that is not ours is refused. */
export function makeSocketFolder(folder: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const found = lstatSync(folder);
  if (!found.isDirectory() || (process.getuid && found.uid !== process.getuid())) {
    throw new CannotStart(
      `${folder} belongs to somebody else; remove it or name another --data folder.`,
    );
  }
  chmodSync(folder, 0o700);
}
