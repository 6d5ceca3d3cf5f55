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
        path: "src/recovery/gatekeeper.ts",
        edit: replace(
          "if (!known.every((one) => one === 1)) return false;",
          `if (!known.every((one) => one === 1))
        for (const { text } of Object.values(scripts)) await redis.script("LOAD", text);`,
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
        path: "src/recovery/recover.ts",
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
        path: "src/recovery/merge.ts",
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
        path: "src/recovery/merge.ts",
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
        path: "src/recovery/voids.ts",
        edit: replace("if (found?.rows === granted) return;", "if (found) return;"),
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
        path: "src/recovery/witness.ts",
        edit: replace(
          "[settings.processId, ...living].every((id) => ids.has(id))",
          "ids.has(settings.processId) || living.length === 0",
        ),
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
        path: "src/recovery/recover.ts",
        edit: replace("if (result.affectedRows !== 1)", "if (result.affectedRows < 0)"),
      },
    ],
    caughtBy: {
      file: "test/leader.test.ts",
      title: "finds that its epoch is over, also when nobody has ended it",
    },
  },
  {
    name: "removes-a-later-rebuild",
    what: "a leader that was stopped removes what its successor is building",
    edits: [{ path: "src/recovery/rebuild.ts", edit: replace("if (!(at < epoch)) continue;", "") }],
    caughtBy: {
      file: "test/torn.test.ts",
      title: "what a dead leader was building is removed, and what a later one builds is not",
    },
  },
  {
    name: "believes-equal-counters",
    what: "a Redis that was left behind is believed when its counters agree",
    edits: [
      {
        path: "src/recovery/recover.ts",
        edit: replace('isStranger ? "all" : await', "isStranger ? new Set<number>() : await"),
      },
    ],
    caughtBy: {
      file: "test/strange.test.ts",
      title:
        "and a Redis that was left behind says who won: MySQL's winners stand, the other claim is reported",
    },
  },
  {
    name: "asks-nobody-after-an-outage",
    what: "after an outage of MySQL, in which no heart could beat, nobody is waited for",
    edits: [
      {
        path: "src/recovery/witness.ts",
        edit: replace("{ orSilent: !heart.isSteady }", "{ orSilent: !heart }"),
      },
    ],
    caughtBy: {
      file: "test/heartless.test.ts",
      title:
        "what each process has confirmed while MySQL was away is known to the recovery after it",
    },
  },
  {
    name: "overlooks-rows-of-a-dead-leader",
    what: "rows beyond the counter are not seen, and their numbers are granted again",
    edits: [
      {
        path: "src/recovery/compare.ts",
        edit: replace("(lastRows.get(sale.id) ?? 0) <= sale.granted", "lastRows.size >= 0"),
      },
    ],
    caughtBy: {
      file: "test/faults/redis-recovery.test.ts",
      title: "rows that a leader wrote before it died are counted by the next one",
    },
  },
  {
    name: "another-life-of-redis",
    what: "recovery opens a Redis that was restarted while it was being restored",
    edits: [
      {
        path: "src/recovery/recover.ts",
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
