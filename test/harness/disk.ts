// A small disk that a server fills: a tmpfs in a mount namespace of its own, which nobody else sees and which is
// gone with the process that holds it, however that ends. Only root may make one.

import { mkdirSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { freshFolder, stopLater } from "./servers.ts";
import { until } from "./until.ts";

export interface SmallDisk {
  /** A folder in it is the disk, for programs that are run by `through`. */
  readonly folder: string;
  /** What those programs find there, as seen from outside. */
  readonly inside: string;
  /** The command that runs another one with the disk in its place. */
  readonly through: readonly string[];
  /** Takes what is left of the disk, but for `bytes`; the function gives it back. */
  fill(bytes: number): () => void;
}

/** Whether this process may make one. */
export const maySmallDisk: boolean =
  process.getuid?.() === 0 &&
  !!Bun.which("nsenter") &&
  Bun.spawnSync(["unshare", "--mount", "mount", "-t", "tmpfs", "none", "/mnt"]).exitCode === 0;

/** Makes a disk of this size in place of `folder/name`; it is there until the end of the test file. */
export async function smallDisk(
  bytes: number,
  { folder = freshFolder("small"), name = "redis" }: { folder?: string; name?: string } = {},
): Promise<SmallDisk> {
  const data = join(folder, name);
  mkdirSync(data, { recursive: true });
  const script = `mount -t tmpfs -o size=${bytes} none "$1" && echo mounted && exec cat`;
  const holder = Bun.spawn(["unshare", "--mount", "sh", "-c", script, "sh", data], {
    stdin: "pipe",
    stdout: "pipe",
    stderr: "inherit",
  });
  stopLater(async () => {
    holder.kill("SIGKILL");
    await holder.exited;
  });
  const inside = `/proc/${holder.pid}/root${data}`;
  await until("the disk", () => statfsSync(inside).blocks * statfsSync(inside).bsize === bytes);
  return {
    ...{ folder, inside, through: ["nsenter", `--mount=/proc/${holder.pid}/ns/mnt`] },
    fill(left) {
      const { bavail, bsize } = statfsSync(inside);
      try {
        writeFileSync(join(inside, "filler"), Buffer.alloc(bavail * bsize - left));
      } catch (error) {
        // A server may take some of it in the same moment; what is left has been taken all the same.
        if ((error as { code?: unknown }).code !== "ENOSPC") throw error;
      }
      return () => rmSync(join(inside, "filler"));
    },
  };
}
