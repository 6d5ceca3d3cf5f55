// Ways to break grab.lua. They run on a text that is handed to Redis, not on a copy of the tree, so all of them
// take no longer than a second or two (test/mutants.test.ts).

import type { grabChecks } from "../harness/grab-checks.ts";
import { all, type Edit, move, replace } from "./edits.ts";

/** `what` completes "a grab.lua that …". */
export const grabScriptMutants: [what: string, edit: Edit, caughtBy: keyof typeof grabChecks][] = [
  [
    "counts before it has checked",
    replace(
      "  local number, slot = place_of(held[user], key)",
      '  redis.call("HINCRBY", sale, "granted", 1)\n  local number, slot = place_of(held[user], key)',
    ),
    "losers write nothing, neither into memory nor into the log",
  ],
  [
    "uses a number up before it has checked",
    all(
      replace("    granted = granted + 1\n    number", "    number"),
      replace(
        "  local number, slot = place_of(held[user], key)",
        "  granted = granted + 1\n  local number, slot = place_of(held[user], key)",
      ),
    ),
    "every unit is sold: who loses does not use one up",
  ],
  [
    "writes the ledger entry last",
    move('redis.call("XADD"', "for _, user in ipairs(changed)", "return replies\n\0"),
    "the ledger entry comes first: when it cannot be written nothing else has changed",
  ],
  [
    "does not look at the winners",
    replace("place_of(held[user], key)", "nil, 1"),
    "a user who comes again gets the same number, also when all is sold",
  ],
  [
    "forgets who has won earlier in the same call",
    replace("    held[user] = held[user] and with_grant(held[user], slot, grant) or grant\n", ""),
    "a user who appears twice in one call wins once",
  ],
  [
    "asks whether nothing is left, instead of whether something is",
    replace("not (granted - returned < total)", "granted - returned == total"),
    "nothing is sold while more is granted than a lowered total allows",
  ],
  [
    "does not look at the gate",
    replace('if at_gate[1] ~= epoch or at_gate[2] ~= "open" then', "if false then"),
    "nothing is sold through a gate that is not open for the caller's epoch",
  ],
  [
    "does not compare the epoch",
    replace("at_gate[1] ~= epoch or ", ""),
    "nothing is sold through a gate that is not open for the caller's epoch",
  ],
  [
    "does not see that a sale is over",
    replace("now_ms >= closes", "now_ms <= closes"),
    "losers write nothing, neither into memory nor into the log",
  ],
  [
    "sells before the opening",
    replace("now_ms < opens", "false"),
    "losers write nothing, neither into memory nor into the log",
  ],
  [
    "believes every counter",
    replace(
      "value and value % 1 == 0 and value >= 0 and value < 2 ^ 53 and value or nil",
      "value or 0",
    ),
    "a counter that is not a whole number sells nothing",
  ],
  [
    "sells on after Redis has lost grants",
    replace("if recorded > granted or returned > granted then", "if returned > granted then"),
    "a sale without grants that MySQL has gives no number away again",
  ],
  [
    "writes one entry per winner",
    replace('"users", table.concat(entries, ","),', '"users", table.remove(entries, 1),'),
    "all winners of a call share one entry with consecutive numbers",
  ],
  [
    "does not tell readers that MySQL is behind",
    replace('redis.call("SADD", unrecorded, sale_id)\n', ""),
    "a won grab is numbered, counted, kept and put into the ledger",
  ],
  [
    "lets the winners expire",
    replace(
      'redis.call("HSET", sale, "granted", granted_now)',
      'redis.call("HSET", sale, "granted", granted_now)\nredis.call("EXPIRE", winners, 1800)',
    ),
    "nothing that a grab writes has a lifetime",
  ],
];
