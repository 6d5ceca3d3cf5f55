// A small disk that can be filled: a tmpfs of its own for one server's folder. It is filled by making it as small
// as what is on it, so that nothing has to be written, and freed by giving it its size back.

import { mkdirSync, readFileSync, statfsSync } from "node:fs";

const ATTEMPTS = 20;

export interface SmallDisk {
  /** Leaves so many bytes, rounded up to a whole page; the function gives the rest back. */
  fill(leftBytes: number): () => void;
  /** At the latest when nobody uses it any more. */
  unmount(): void;
}

function run(...command: string[]): boolean {
  try {
    const quiet = { stdin: "ignore", stdout: "ignore", stderr: "ignore" } as const;
    return Bun.spawnSync(command, quiet).exitCode === 0;
  } catch {
    // The program is not installed.
    return false;
  }
}

const unmount = (folder: string): void => {
  if (!run("umount", folder)) run("umount", "--lazy", folder);
};

/** Takes away what is mounted on this folder and in it, such as the disks of a run that was killed. */
export function unmountAllIn(folder: string): void {
  if (process.platform !== "linux") return;
  const places = readFileSync("/proc/self/mounts", "utf8")
    .split("\n")
    .map((line) => (line.split(" ")[1] ?? "").replaceAll("\\040", " "));
  // What was mounted last is in what was mounted before, perhaps.
  for (const place of places.reverse()) {
    if (place === folder || place.startsWith(`${folder}/`)) unmount(place);
  }
}

/** Whether this process may mount one. */
export const mayMountDisks = (): boolean =>
  process.platform === "linux" &&
  process.getuid?.() === 0 &&
  run("unshare", "--mount", "mount", "-t", "tmpfs", "none", "/mnt");

/** Mounts one of this size on a folder. Throws where this process may not. */
export function mountSmallDisk(folder: string, bytes: number): SmallDisk {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  if (!run("mount", "-t", "tmpfs", "-o", `size=${bytes},mode=0700`, "doorbuster", folder)) {
    throw new Error(`no disk could be mounted on ${folder}`);
  }
  const resize = (size: number) => run("mount", "-o", `remount,size=${size}`, folder);
  const usedBytes = (): number => {
    const { blocks, bfree, bsize } = statfsSync(folder);
    return (blocks - bfree) * bsize;
  };
  const free = (): void => {
    if (!resize(bytes)) throw new Error(`${folder} could not be freed`);
  };
  return {
    fill(leftBytes) {
      // The server goes on writing in between: what is used by now may be more than what was asked for.
      for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
        if (resize(usedBytes() + leftBytes)) return free;
      }
      throw new Error(`${folder} could not be filled`);
    },
    unmount: () => unmount(folder),
  };
}
