import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { limits } from "../limits.ts";
import type { Redis } from "../redis/client.ts";
import { shardKeys } from "../redis/keys.ts";
import type { LedgerEntry } from "./entry.ts";
import { batchesOf, fillsBatch, readStream } from "./stream.ts";

/** An entry of so many grants; 0 is a marker. */
function entryOf(grants: number, id: number): LedgerEntry {
  if (grants === 0) return { id: `${id}-0`, kind: "marker" };
  return {
    ...{ id: `${id}-0`, kind: "grant", saleId: 1, first: 1, granted: grants, returned: 0 },
    unreadable: [],
    grants: Array.from({ length: grants }, (_, i) => ({
      ...{ saleId: 1, grantNo: i + 1, userId: i + 1, userSlot: 1, keyHash: null, epoch: 1 },
      grantedAt: new Date(0),
    })),
  };
}

const sizeOf = (batch: readonly LedgerEntry[]): number =>
  batch.reduce((sum, entry) => sum + (entry.kind === "grant" ? entry.grants.length : 1), 0);

describe("batches", () => {
  test("hold every entry once, in order, and never more grants than a transaction may have", () => {
    const sizes = fc.array(fc.integer({ min: 0, max: limits.grabCallAttemptsMax }), {
      maxLength: 60,
    });
    fc.assert(
      fc.property(sizes, (counts) => {
        const entries = counts.map(entryOf);
        const batches = [...batchesOf(entries)];
        expect(batches.flat()).toEqual(entries);
        for (const [at, batch] of batches.entries()) {
          expect(batch.length).toBeGreaterThan(0);
          expect(sizeOf(batch)).toBeLessThanOrEqual(limits.batchGrantsMax);
          const next = batches[at + 1]?.[0];
          if (next) expect(sizeOf([...batch, next])).toBeGreaterThan(limits.batchGrantsMax);
        }
      }),
      { numRuns: 100 },
    );
  });

  test("are none when there is nothing to write", () => {
    expect([...batchesOf([])]).toEqual([]);
  });

  test("an entry that is larger than a batch goes alone and whole", () => {
    const entries = [entryOf(1, 1), entryOf(limits.batchGrantsMax + 1, 2), entryOf(1, 3)];
    expect([...batchesOf(entries)].map((batch) => batch.map((entry) => entry.id))).toEqual([
      ["1-0"],
      ["2-0"],
      ["3-0"],
    ]);
  });

  test("are full when waiting for more entries gains nothing", () => {
    expect(fillsBatch([entryOf(limits.batchGrantsMax - 1, 1)])).toBe(false);
    expect(fillsBatch([entryOf(limits.batchGrantsMax - 1, 1), entryOf(0, 2)])).toBe(true);
  });
});

describe("reading", () => {
  const reading = async (reply: unknown, blockMs?: number) => {
    const asked: unknown[] = [];
    const redis = {
      xread: (...args: unknown[]) => {
        asked.push(...args);
        return Promise.resolve(reply);
      },
    };
    return { asked, entries: await readStream(redis as unknown as Redis, 3, "5-1", blockMs) };
  };

  test("asks for what follows the cursor, a bounded number, of this shard", async () => {
    const { asked, entries } = await reading(null);
    const { ledger } = shardKeys(3);
    expect(asked).toEqual(["COUNT", limits.streamReadEntriesMax, "STREAMS", ledger, "5-1"]);
    expect(entries).toEqual([]);
  });

  test("waits when told to", async () => {
    const { asked } = await reading(null, 250);
    expect(asked.slice(2, 4)).toEqual(["BLOCK", 250]);
  });

  test("gives broken entries back in their place", async () => {
    const { entries } = await reading([
      [
        "stream",
        [
          ["6-0", ["kind", "epoch"]],
          ["7-0", ["kind", "?"]],
          ["8-0", []],
        ],
      ],
    ]);
    expect(entries.map(({ id, kind }) => [id, kind])).toEqual([
      ["6-0", "marker"],
      ["7-0", "broken"],
      ["8-0", "broken"],
    ]);
  });
});
