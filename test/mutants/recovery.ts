// Ways to break recovery, and the fence that calls for it.

import { replace } from "./edits.ts";
import type { Mutant } from "./mutant.ts";

const RECOVERY = "test/recovery.test.ts";
const FORGOTTEN = "a shard that forgot its scripts comes back with a new epoch and nothing rebuilt";

export const recoveryMutants: readonly Mutant[] = [
  {
    name: "loads-what-is-missing",
    what: "a process that finds no script loads it and believes this Redis",
    edits: [
      {
        path: "src/ledger/gatekeeper.ts",
        edit: replace(
          "if (isFence(error)) return false;",
          `if (isFence(error)) {
        for (const { text } of Object.values(shardScripts(incarnation)))
          await redis.script("LOAD", text);
        return true;
      }`,
        ),
      },
    ],
    caughtBy: { file: RECOVERY, title: FORGOTTEN },
  },
  {
    name: "one-incarnation",
    what: "every recovery loads the same texts, so that an old Redis still knows them",
    edits: [
      {
        path: "src/ledger/recover.ts",
        edit: replace('randomBytes(8).toString("hex")', 'randomBytes(0).toString("hex") + "one"'),
      },
    ],
    caughtBy: { file: RECOVERY, title: FORGOTTEN },
  },
  {
    name: "opens-without-comparing",
    what: "recovery opens the gate without comparing Redis with MySQL",
    edits: [
      {
        path: "src/ledger/merge.ts",
        edit: replace("damaged.has(sale) || ", ""),
      },
    ],
    caughtBy: { file: RECOVERY, title: "its winners are gone: who has won still has (limit 1)" },
  },
  {
    name: "merge-lowers",
    what: "a merged sale counts what MySQL has, not the greatest number that anybody has seen",
    edits: [
      {
        path: "src/ledger/merge.ts",
        edit: replace("highest = Math.max(highest, number)", "highest = Math.max(highest, 0)"),
      },
    ],
    caughtBy: {
      file: RECOVERY,
      title: "it counts more than anybody can account for: those numbers are burned, no unit is",
    },
  },
  {
    name: "reuses-unknown-numbers",
    what: "numbers that nobody can account for are not burned",
    edits: [
      {
        path: "src/ledger/voids.ts",
        edit: replace("if (found?.rows === granted) return 0;", "if (found) return 0;"),
      },
    ],
    caughtBy: {
      file: RECOVERY,
      title: "it counts more than anybody can account for: those numbers are burned, no unit is",
    },
  },
  {
    name: "hears-no-witness",
    what: "recovery does not wait for what other living processes have confirmed",
    edits: [
      {
        path: "src/ledger/witness.ts",
        edit: replace("living.every((id) => ids.has(id))", "ids.size > 0 || living.length > 0"),
      },
    ],
    caughtBy: {
      file: "test/leader.test.ts",
      title: "every living process is waited for, and what it confirmed is restored",
    },
  },
  {
    name: "witness-goes-on-confirming",
    what: "a process hands in what it has confirmed without closing its own gate first",
    edits: [
      {
        path: "src/ledger/handle.ts",
        edit: replace("hooks.closed(message.shard, message.epoch - 1);\n        send(", "send("),
      },
    ],
    caughtBy: {
      file: "src/ledger/handle.test.ts",
      title: "before a witness is heard, the gates of older epochs are closed",
    },
  },
  {
    name: "superseded-leader-writes",
    what: "a leader that was stopped goes on writing though another one has begun a later epoch",
    edits: [
      {
        path: "src/ledger/recover.ts",
        edit: replace("if (result.affectedRows !== 1)", "if (result.affectedRows < 0)"),
      },
    ],
    caughtBy: {
      file: "test/leader.test.ts",
      title: "finds that its epoch is over, also when nobody has ended it",
    },
  },
  {
    name: "another-life-of-redis",
    what: "recovery opens a Redis that was restarted while it was being restored",
    edits: [
      {
        path: "src/ledger/recover.ts",
        edit: replace("if ((await runIdOf(context.redis)) !== runId)", "if (!runId)"),
      },
    ],
    caughtBy: {
      file: "test/leader.test.ts",
      title:
        "a Redis that was restarted in the middle of a recovery stays closed until the next one",
    },
  },
];
