import { expect, test } from "bun:test";
import { limits } from "../limits.ts";
import { ConfirmedGrants } from "./memory.ts";

const grant = (saleId: number, grantNo: number) => ({
  ...{ saleId, grantNo, userId: grantNo, userSlot: 1, keyHash: null },
  grantedAt: new Date(0),
});

test("the memory of confirmed grants gives back those of one shard", () => {
  const confirmed = new ConfirmedGrants();
  for (const [saleId, no] of [
    [3, 1],
    [4, 1],
    [19, 1],
    [3, 2],
  ] as const)
    confirmed.add(grant(saleId, no));
  const ofShard = confirmed.ofShard(3).map(({ saleId, grantNo }) => [saleId, grantNo]);
  expect(ofShard).toEqual([
    [3, 1],
    [19, 1],
    [3, 2],
  ]);
  expect(confirmed.ofShard(5)).toEqual([]);
});

test("it keeps the latest grants only, as many as it is allowed", () => {
  const confirmed = new ConfirmedGrants();
  const all = limits.witnessGrantsMax + 10;
  for (let no = 1; no <= all; no += 1) confirmed.add(grant(3, no));
  const numbers = confirmed.ofShard(3).map(({ grantNo }) => grantNo);
  expect(numbers).toHaveLength(limits.witnessGrantsMax);
  expect(Math.min(...numbers)).toBe(11);
  expect(Math.max(...numbers)).toBe(all);
});

test("a grant that is repeated is kept once, and displaces no other", () => {
  const confirmed = new ConfirmedGrants();
  confirmed.add(grant(3, 1));
  for (let i = 0; i < limits.witnessGrantsMax; i += 1) confirmed.addRepeated(grant(3, 2));
  confirmed.addRepeated(grant(3, 1));
  expect(confirmed.ofShard(3).map(({ grantNo }) => grantNo)).toEqual([1, 2]);
});
