import { expect, test } from "bun:test";
import { rateIn, type SaleRecord } from "./records.ts";

const record = (grabsPerSecond: number | null) => ({ id: 7, grabsPerSecond }) as SaleRecord;

test("a sale's rate that is not in memory is loaded behind the grab that asks for it", async () => {
  let known: SaleRecord | undefined;
  const records = {
    peek: () => known,
    get: (): Promise<SaleRecord | undefined> => {
      known = record(2);
      return Promise.reject(new Error("asked once, and nobody waits"));
    },
  };
  expect(rateIn(records, 7)).toBeUndefined();
  expect(rateIn(records, 7)).toBe(2);
  known = record(null);
  expect(rateIn(records, 7)).toBeUndefined();
});
