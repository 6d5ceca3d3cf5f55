// Ways to break the changes of sales, which live in two stores.

import { replace } from "./edits.ts";
import type { Mutant } from "./mutant.ts";

const RECOVERY = "test/sale-recovery.test.ts";

export const saleMutants: readonly Mutant[] = [
  {
    name: "lower-in-mysql-first",
    what: "a total is lowered in MySQL before Redis has compared it with what is held",
    edits: [
      {
        path: "src/sales/change/changes.ts",
        edit: replace(
          "change.total > total ? { total: change.total }",
          "total > 0 ? { total: change.total }",
        ),
      },
    ],
    caughtBy: {
      file: RECOVERY,
      title:
        "MySQL has a raised total and an opened sale before Redis, a lowered total and a pause after it",
    },
  },
  {
    name: "change-without-version",
    what: "the script makes a change again that the sale has already",
    edits: [
      {
        path: "src/grab/change.lua",
        edit: replace("if facts[7] == change then", "if false then"),
      },
    ],
    caughtBy: {
      file: "test/change-script.test.ts",
      title: "knows by its id a change that the sale has",
    },
    quick: true,
  },
  {
    name: "restock-again",
    what: "a restock does not ask whether its key has been here",
    edits: [
      {
        path: "src/sales/change/changes.ts",
        edit: replace("return made !== undefined;", "return made === null;"),
      },
    ],
    caughtBy: { file: RECOVERY, title: "twice with one key, a restock adds once" },
  },
  {
    name: "rebuild-forgets-changes",
    what: "a recovery rebuilds a sale without deciding its half-made change",
    edits: [
      {
        path: "src/recovery/merge.ts",
        edit: replace("before?.pending && (await", "before === null && (await"),
      },
    ],
    caughtBy: {
      file: RECOVERY,
      title: "a change that was half-made before Redis had it is made in the rebuilt sale",
    },
  },
  {
    name: "pause-outlives-epoch",
    what: "a pause for what was found is made in a later epoch too",
    edits: [
      {
        path: "src/grab/change.lua",
        edit: replace('if bound ~= "" and bound ~= epoch then', "if false then"),
      },
    ],
    caughtBy: {
      file: "test/audit-live.test.ts",
      title: "what was found before a recovery pauses nothing after it",
    },
  },
  {
    name: "room-without-those-coming",
    what: "a sale that is on its way to a template takes no room there yet",
    edits: [
      {
        path: "src/sales/change/room.ts",
        edit: replace("eq(comingTo, template.id)", "eq(comingTo, 0)"),
      },
    ],
    caughtBy: {
      file: "test/sale-template.test.ts",
      title:
        "the units of a sale that is on its way to a template count there, and are free where it was",
    },
  },
  {
    name: "pause-of-a-move-stays",
    what: "the pause that another template brings along never ends",
    edits: [
      {
        path: "src/sales/change/new-template.ts",
        edit: replace('templateId !== undefined && state === "paused"', "templateId === null"),
      },
    ],
    caughtBy: {
      file: "test/sale-template-races.test.ts",
      title: "finished by many at once, it is made once, and the sale goes on",
    },
  },
  {
    name: "recovery-tells-nobody",
    what: "a recovery that decides a half-made change leaves the caches as they are",
    edits: [
      {
        path: "src/recovery/merge.ts",
        edit: replace("if (one) await tellOf", "if (one && !redis) await tellOf"),
      },
    ],
    caughtBy: {
      file: "test/sale-news.test.ts",
      title: "both show a change that a recovery has decided",
    },
  },
];
