// Ways to let a cache give what is not true any more.

import { replace } from "./edits.ts";
import type { Mutant } from "./mutant.ts";

const CACHE = "test/cache.test.ts";

export const cacheMutants: readonly Mutant[] = [
  {
    name: "fill-without-lease",
    what: "a loader puts into Redis what it has, whether or not its lease still stands",
    edits: [
      {
        path: "src/cache/fill.lua",
        edit: replace("~= ARGV[1] then", '== "" then'),
      },
    ],
    caughtBy: {
      file: CACHE,
      title:
        "a loader that outlived its message, as on a process that hears nothing, is kept out of Redis",
    },
    quick: true,
  },
  {
    name: "flight-without-fence",
    what: "a load that began before a change is put into memory after it",
    edits: [
      {
        path: "src/cache/lookup.ts",
        edit: replace("if (!flight.fenced) this.#memory.set(", "this.#memory.set("),
      },
    ],
    caughtBy: {
      file: CACHE,
      title: "a slow loader of another process brings nothing old into Redis or memory",
    },
  },
  {
    name: "memory-for-ever",
    what: "memory is believed also when no proof has come for long",
    edits: [
      {
        path: "src/cache/lookup.ts",
        edit: replace(
          "at < this.around.trustedUntil() || at < since + limits.cacheBlindMs",
          "at >= since",
        ),
      },
    ],
    caughtBy: { file: CACHE, title: "memory is not believed when no proof has come for too long" },
  },
];
