// A small disk that can be filled: a tmpfs of its own for one server's folder. It is filled by making it as small
// as what is on it, so that nothing has to be written, and freed by giving it its size back.

import { mkdirSync, statfsSync } from "node:fs";

const SIZE = "2g";
const LEFT_BYTES = 8 * 1_024;
const ATTEMPTS = 20;

export interface SmallDisk {
  /** Leaves nearly no room on it. */
  fill(): void;
  free(): void;
  unmount(): void;
}

const run = (...command: string[]): boolean =>
  Bun.spawnSync(command, { stdin: "ignore", stdout: "ignore", stderr: "ignore" }).exitCode === 0;

/** Takes a disk away, at the latest when nobody uses it any more. Harmless when there is none. */
export const unmount = (folder: string): void => {
  if (!run("umount", folder)) run("umount", "--lazy", folder);
};

/** Mounts one on a new folder; undefined where this process may not mount. */
export function mountSmallDisk(folder: string): SmallDisk | undefined {
  if (process.platform !== "linux" || process.getuid?.() !== 0) return undefined;
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  if (!run("mount", "-t", "tmpfs", "-o", `size=${SIZE},mode=0700`, "doorbuster-chaos", folder)) {
    return undefined;
  }
  const resize = (size: string) => run("mount", "-o", `remount,size=${size}`, folder);
  const usedBytes = (): number => {
    const { blocks, bfree, bsize } = statfsSync(folder);
    return (blocks - bfree) * bsize;
  };
  return {
    fill() {
      // The server goes on writing in between: what is used by now may be more than what was asked for.
      for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
        if (resize(String(usedBytes() + LEFT_BYTES))) return;
      }
      throw new Error(`${folder} could not be filled`);
    },
    free() {
      if (!resize(SIZE)) throw new Error(`${folder} could not be freed`);
    },
    unmount: () => unmount(folder),
  };
}
