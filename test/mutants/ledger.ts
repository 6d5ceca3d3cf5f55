// Ways to break the ledger, on its way from the stream to MySQL.

import { replace } from "./edits.ts";
import type { Mutant } from "./mutant.ts";

const LEDGER = "test/ledger.test.ts";
const COUPONS = "test/coupons-ledger.test.ts";

export const ledgerMutants: readonly Mutant[] = [
  {
    name: "insert-ignore",
    what: "INSERT IGNORE on grants: what MySQL refuses is dropped without a word",
    edits: [
      {
        path: "src/ledger/insert.ts",
        edit: replace("INSERT INTO grants (", "INSERT IGNORE INTO grants ("),
      },
    ],
    caughtBy: {
      file: "test/dead-letters.test.ts",
      title: "who holds this slot already under another number is buried",
    },
  },
  {
    name: "cursor-before-rows",
    what: "the cursor moves in a transaction of its own, before the rows",
    edits: [
      {
        path: "src/ledger/writer.ts",
        edit: replace(
          "const batch: Batch = { shard, codes, dead: 0 };",
          `await tx.update(shards).set({ lastId }).where(eq(shards.shard, shard));
    await tx.execute("COMMIT");
    await tx.execute("BEGIN");
    const batch: Batch = { shard, codes, dead: 0 };`,
        ),
      },
    ],
    caughtBy: {
      file: LEDGER,
      title: "a connection that is killed between the rows and the cursor leaves neither",
    },
    quick: true,
  },
  {
    name: "cursor-after-commit",
    what: "the rows are committed before the cursor has moved",
    edits: [
      {
        path: "src/ledger/writer.ts",
        edit: replace(
          "await tx.update(shards).set({ lastId, leaseUntil",
          `await tx.execute("COMMIT");
    await tx.update(shards).set({ lastId, leaseUntil`,
        ),
      },
    ],
    caughtBy: { file: LEDGER, title: "a cursor that cannot be moved takes the rows back with it" },
  },
  {
    name: "trims-before-commit",
    what: "entries leave the stream when they have been read, not when they are committed",
    edits: [
      {
        path: "src/ledger/shard.ts",
        edit: replace(
          "for (const batch of batchesOf(entries)) {",
          `const lastRead = \`\${Number(entries.at(-1)?.id.split("-")[0]) + 1}-0\`;
    if (oldest) await this.context.redis.xtrim(shardKeys(this.shard).ledger, "MINID", "=", lastRead);
    for (const batch of batchesOf(entries)) {`,
        ),
      },
    ],
    caughtBy: {
      file: "test/trimming.test.ts",
      title: "an entry stays in the stream until MySQL has committed it",
    },
  },
  {
    name: "trims-by-length",
    what: "the stream is trimmed by MAXLEN instead of at the cursor",
    edits: [
      {
        path: "src/ledger/shard.ts",
        edit: replace(
          'pipeline.xtrim(ledger, "MINID", "=", minId)',
          'pipeline.xtrim(ledger, "MAXLEN", "=", 100)',
        ),
      },
    ],
    caughtBy: {
      file: "test/trimming.test.ts",
      title: "the stream keeps every entry that MySQL does not have, however many there are",
    },
  },
  {
    name: "no-fencing",
    what: "a batch is written by whoever has it, also without the lease",
    edits: [
      {
        path: "src/ledger/writer.ts",
        edit: replace("row?.leaseOwner !== owner", "row === undefined"),
      },
    ],
    caughtBy: { file: LEDGER, title: "whoever does not hold the lease writes nothing" },
    quick: true,
  },
  {
    name: "writes-over-gaps",
    what: "entries that do not follow what MySQL has are written without asking anybody",
    edits: [
      {
        path: "src/ledger/writer.ts",
        edit: replace("overGaps ? undefined", "!overGaps ? undefined"),
      },
    ],
    caughtBy: {
      file: LEDGER,
      title: "after a gap is not written: what is missing may be known elsewhere",
    },
  },
  {
    name: "counters-go-down",
    what: "the counters in MySQL take whatever value an entry brings",
    edits: [
      {
        path: "src/ledger/writer.ts",
        edit: replace("granted: sql`GREATEST(", "granted: sql`ELT(2, "),
      },
    ],
    caughtBy: {
      file: LEDGER,
      title: "counters never go down, in whatever order entries come back",
    },
  },
  {
    name: "drops-what-is-refused",
    what: "a grant that MySQL refuses is counted as buried, and no dead letter is written",
    edits: [
      {
        path: "src/ledger/letters.ts",
        edit: replace(
          "  batch.dead += 1;\n  await tx",
          "  batch.dead += 1;\n  if (batch.dead < 1) await tx",
        ),
      },
    ],
    caughtBy: {
      file: "test/dead-letters.test.ts",
      title: "who holds this slot already under another number is buried",
    },
  },
  {
    name: "coupons-after-grants",
    what: "grants are committed before their coupons are written",
    edits: [
      {
        path: "src/ledger/insert.ts",
        edit: replace(
          "await insertCoupons(tx, batch, inserted);",
          `await tx.execute("COMMIT");
  await tx.execute("BEGIN");
  await insertCoupons(tx, batch, inserted);`,
        ),
      },
    ],
    caughtBy: {
      file: COUPONS,
      title: "a coupon that MySQL does not take now takes its grant back with it",
    },
  },
  {
    name: "coupons-for-the-refused",
    what: "every grant of a batch gets a coupon, also one that was refused",
    edits: [
      {
        path: "src/ledger/insert.ts",
        edit: replace("insertCoupons(tx, batch, inserted)", "insertCoupons(tx, batch, writable)"),
      },
    ],
    caughtBy: {
      file: COUPONS,
      title: "but not a grant that is refused itself: it gets one letter and no coupon",
    },
  },
  {
    name: "coupons-of-replays",
    what: "a coupon that MySQL has already, exactly so, is taken for a conflict",
    edits: [
      {
        path: "src/ledger/coupons.ts",
        edit: replace(
          "({ row, code }) => !written.has(",
          "({ row, code }) => true || written.has(",
        ),
      },
    ],
    caughtBy: {
      file: COUPONS,
      title:
        "whose grants are gone and whose coupons are not writes the grants, and buries nothing",
    },
  },
  {
    name: "codes-of-nobody",
    what: "the code of a coupon does not depend on its user",
    edits: [
      {
        path: "src/coupons/code.ts",
        edit: replace("const digest = hasher", "userId = 0;\n      const digest = hasher"),
      },
    ],
    caughtBy: {
      file: "src/coupons/code.test.ts",
      title: "is another for another user, number, sale or secret",
    },
  },
  {
    name: "audit-misses-no-coupon",
    what: "the audit does not mind a grant without a coupon",
    edits: [
      {
        path: "src/audit/coupons.ts",
        edit: replace("if (state === null) {", "if (state === null) return [];\n  if (!state) {"),
      },
    ],
    caughtBy: { file: "test/audit.test.ts", title: "a coupon is deleted" },
  },
];
