// Ways to break what happens before Redis is asked, and on the way to it.

import { all, replace } from "./edits.ts";
import type { Mutant } from "./mutant.ts";

export const processMutants: readonly Mutant[] = [
  {
    name: "snapshot-without-second-look",
    what: "keeps a snapshot of the winners though the sale's numbers moved during the scan",
    edits: [
      {
        path: "src/grab/soldout.ts",
        edit: replace("!winners || after?.text !== before.text", "!winners || !after"),
      },
    ],
    caughtBy: {
      file: "src/grab/soldout.test.ts",
      title: "is not kept when the numbers moved during the scan",
    },
    quick: true,
  },
  {
    name: "sold-out-before-winner",
    what: "says sold out from memory without asking whether the user has won",
    edits: [
      {
        path: "src/grab/soldout.ts",
        edit: replace(
          'return number === undefined ? SOLD_OUT : { kind: "repeated", number };',
          "return SOLD_OUT;",
        ),
      },
    ],
    caughtBy: {
      file: "src/grab/soldout.test.ts",
      title: "gives winners their number and everybody else `sold_out`, without asking Redis",
    },
  },
  {
    name: "snapshot-without-gate",
    what: "answers from a snapshot though the gate has closed since",
    edits: [
      {
        path: "src/grab/soldout.ts",
        edit: replace(
          "this.deps.gates.at(shardOf(saleId)) !== snapshot.gate || age < 0",
          "age < 0",
        ),
      },
    ],
    caughtBy: {
      file: "src/grab/soldout.test.ts",
      title: "when the gate closes, and does not come back with the next one",
    },
  },
  {
    name: "believes-forwarded-for",
    what: "counts an attempt against whatever X-Forwarded-For says, whoever sent it",
    edits: [
      {
        path: "src/auth/address.ts",
        edit: replace("while (isTrusted(address, proxies)) {", "while (hops.length > 0) {"),
      },
    ],
    caughtBy: {
      file: "src/auth/address.test.ts",
      title: "whatever X-Forwarded-For says, when the peer is no proxy of ours",
    },
  },
  {
    name: "resends-unanswered",
    what: "sends unanswered commands once more after a reset, as the client does by default",
    edits: [
      {
        path: "src/redis/client.ts",
        edit: all(
          replace("autoResendUnfulfilledCommands: false", "autoResendUnfulfilledCommands: true"),
          replace("maxRetriesPerRequest: 0", "maxRetriesPerRequest: 20"),
        ),
      },
    ],
    caughtBy: {
      file: "test/unanswered.test.ts",
      title: "a command whose answer was lost is reported, and not sent again",
    },
    quick: true,
  },
  {
    name: "eval-on-noscript",
    what: "sends the script's text when Redis has forgotten it",
    edits: [
      {
        path: "src/grab/queue.ts",
        edit: replace(
          "return redis.evalsha(gate.scripts.grab.sha, 5, ...args);",
          `return redis
      .evalsha(gate.scripts.grab.sha, 5, ...args)
      .catch(() => redis.eval(gate.scripts.grab.text, 5, ...args));`,
        ),
      },
    ],
    caughtBy: {
      file: "test/recovery.test.ts",
      title: "a shard that forgot its scripts comes back with a new epoch and nothing rebuilt",
    },
  },
  {
    name: "confirms-after-closing",
    what: "confirms what was won under a gate that has closed meanwhile",
    edits: [
      {
        path: "src/grab/queue.ts",
        edit: replace("if (gates.at(shardOf(saleId)) !== gate) {", "if (!gates) {"),
      },
    ],
    caughtBy: {
      file: "src/grab/queue-failures.test.ts",
      title:
        "a grant whose answer comes when its gate has closed is not confirmed (opened again: false)",
    },
  },
];
