import { expect, test } from "bun:test";
import fc from "fast-check";
import { limits } from "../limits.ts";
import { allShards, rebuildKey, saleKeys, shardKeys, shardOf } from "./keys.ts";

/** What a Cluster hashes of a key: the text between the first braces. */
const tagOf = (key: string) => /\{(.*?)\}/.exec(key)?.[1];

test("all keys that one script touches have the hash tag of the sale's shard", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }), (saleId) => {
      const keys = [...Object.values(saleKeys(saleId)), rebuildKey(saleId, 7)];
      expect(new Set(keys.map(tagOf))).toEqual(new Set([`s${saleId % limits.shards}`]));
      expect(new Set(keys).size).toBe(keys.length);
    }),
    { numRuns: 200 },
  );
});

test("a sale's keys include those of its shard", () => {
  expect(saleKeys(35)).toMatchObject(shardKeys(shardOf(35)));
});

test("there are sixteen shards, for ever: a sale must find its keys again", () => {
  expect(allShards).toEqual(Array.from({ length: 16 }, (_, shard) => shard));
});

test("sales, and the epochs of a rebuild, have keys of their own", () => {
  const all = [1, 17, 33, 117].flatMap((saleId) => [
    ...[saleKeys(saleId).sale, saleKeys(saleId).winners],
    ...[1, 11].map((epoch) => rebuildKey(saleId, epoch)),
  ]);
  expect(new Set(all).size).toBe(all.length);
});
