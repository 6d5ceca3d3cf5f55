import { expect, test } from "bun:test";
import fc from "fast-check";
import { byNewest, type Grant, mergePage, numbersOf, storedWindow } from "./grants.ts";

const grant = fc.record({
  saleId: fc.integer({ min: 1, max: 30 }),
  number: fc.integer({ min: 1, max: 9 }),
});
const keyOf = ({ saleId, number }: Grant) => `${saleId}/${number}`;

test("each page is the page of the union, whatever of the recent grants MySQL has already", () => {
  const distinct = fc.uniqueArray(grant, { selector: keyOf, maxLength: 120 });
  const property = fc.property(
    distinct,
    fc.infiniteStream(fc.nat(9)),
    fc.nat(9),
    (all, dice, share) => {
      // Each grant is in Redis, in MySQL, or in both; `share` of ten are known to Redis.
      const recent = all.filter(() => (dice.next().value as number) < share);
      const isRecent = new Set(recent.map(keyOf));
      const stored = all.filter((one) => !isRecent.has(keyOf(one))).sort(byNewest);
      const union = [...all].sort(byNewest);
      for (let page = 1; page <= 8; page += 1) {
        const { offset, count } = storedWindow(page, recent.length);
        const found = mergePage(page, recent, stored.slice(offset, offset + count));
        expect(found).toEqual(union.slice((page - 1) * 20, page * 20));
      }
    },
  );
  fc.assert(property, { numRuns: 300 });
});

test("the first page without recent grants asks for no more than a page", () => {
  expect(storedWindow(1, 0)).toEqual({ offset: 0, count: 20 });
  expect(storedWindow(3, 5)).toEqual({ offset: 35, count: 25 });
});

test("a winners field holds one number, or numbers by slot with returned slots empty", () => {
  expect(numbersOf("17")).toEqual([17]);
  expect(numbersOf("17:ab12,,19:cd34")).toEqual([17, 19]);
  expect(numbersOf(",")).toEqual([]);
});
