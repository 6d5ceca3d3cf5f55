// Ways to break what guards the two stores: the scripts beside grab.lua, and the keys and checks of the tables.

import { replace } from "./edits.ts";
import type { Mutant } from "./mutant.ts";

const SCRIPTS = "test/scripts.test.ts";
const LETTERS = "test/dead-letters.test.ts";

export const storeMutants: readonly Mutant[] = [
  {
    name: "recorded-lowers",
    what: "recorded.lua lets a message that comes late take back what a newer one said",
    edits: [
      {
        path: "src/grab/recorded.lua",
        edit: replace("reported > recorded", "reported ~= recorded"),
      },
    ],
    caughtBy: { file: SCRIPTS, title: "a message that comes late takes nothing back" },
    quick: true,
  },
  {
    name: "warm-overwrites",
    what: "warm.lua puts a sale into Redis that is there already, with the stock that MySQL knows",
    edits: [
      {
        path: "src/grab/warm.lua",
        edit: replace('if redis.call("EXISTS", sale) == 1 then return "present" end\n', ""),
      },
    ],
    caughtBy: {
      file: SCRIPTS,
      title: "leaves a sale that is here alone, whatever MySQL thinks of its counters",
    },
  },
  {
    name: "gate-goes-back",
    what: "gate.lua lets a superseded leader close the gate of a later epoch",
    edits: [
      {
        path: "src/recovery/gate.lua",
        edit: replace('if tonumber(epoch) < at_gate then return "stale" end\n', ""),
      },
    ],
    caughtBy: { file: SCRIPTS, title: "a superseded leader cannot close" },
  },
  {
    name: "swap-for-anybody",
    what: "swap.lua lets a leader that was stopped change a sale after its successor has opened",
    edits: [
      {
        path: "src/recovery/swap.lua",
        edit: replace('or at_gate[2] ~= "closed" then', 'and at_gate[2] ~= "closed" then'),
      },
    ],
    caughtBy: { file: SCRIPTS, title: "a gate that is open lets nothing be swapped" },
  },
  {
    name: "no-xsetid",
    what: "continue.lua leaves out XSETID: new entries may get ids that the cursor has passed",
    edits: [
      {
        path: "src/recovery/continue.lua",
        edit: replace('redis.call("XSETID", ledger, cursor)', "last_ms = ms"),
      },
    ],
    caughtBy: {
      file: SCRIPTS,
      title: "goes on behind the cursor on a Redis that is older than MySQL",
    },
  },
  {
    name: "no-unique-slot",
    what: "the table of grants has no unique key on sale, user and slot",
    edits: [
      {
        path: "drizzle/0000_engine.sql",
        edit: replace(
          ",\n\tCONSTRAINT `grants_user_slot` UNIQUE(`sale_id`,`user_id`,`user_slot`)",
          "",
        ),
      },
    ],
    caughtBy: {
      file: LETTERS,
      title: "who holds this slot already under another number is buried",
    },
  },
  {
    name: "no-unique-number",
    what: "the table of grants has no primary key on sale and number",
    edits: [
      {
        path: "drizzle/0000_engine.sql",
        edit: replace(
          "\tCONSTRAINT `grants_sale_id_grant_no_pk` PRIMARY KEY(`sale_id`,`grant_no`),\n",
          "",
        ),
      },
    ],
    caughtBy: {
      file: LETTERS,
      title: "whose number belongs to somebody else in MySQL is buried, and the row there stands",
    },
  },
  {
    name: "no-oversold-check",
    what: "the table of sales takes any counters",
    edits: [
      {
        path: "drizzle/0000_engine.sql",
        edit: replace("CHECK(`granted` <= `total` + `returned`)", "CHECK(`total` >= 0)"),
      },
    ],
    caughtBy: {
      file: LETTERS,
      title:
        "more granted than there is raises the alarm; the rows stand, and the counters stay honest",
    },
  },
];
