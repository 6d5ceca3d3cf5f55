// What a sale's counters say, without a look at a single grant. Redis is ahead of MySQL at all times, so the
// cut must be taken between two readings of MySQL: what MySQL had before, Redis has; what Redis knows as
// recorded, MySQL has after.

import { imagesOf, type SaleRow, type StoredSale } from "../sales/stored.ts";
import type { SaleCut } from "./cut.ts";
import type { Finding, FindingKind } from "./finding.ts";
import type { CountedSale } from "./sales.ts";

/** A fault without its place. */
export interface Fault extends Pick<Finding, "kind" | "text"> {
  /**
   * By what two looks know the same fault when the numbers in its text move on; only of a rule that holds however
   * the data moves. Without it, the text must be the same.
   */
  readonly rule?: string;
}

const numberOf = (at: Date | null): number | null => at?.getTime() ?? null;

function differences(image: SaleRow, cut: SaleCut): string[] {
  type Value = string | number | null;
  const pairs: [name: string, inMysql: Value, inRedis: Value][] = [
    ["total", image.total, cut.total],
    ["limit", image.userLimit, cut.limit],
    ["opening", numberOf(image.opensAt), cut.opens],
    ["end", numberOf(image.closesAt), cut.closes],
    ["rate", image.grabsPerSecond, cut.rate],
    ["version", image.version, cut.version],
  ];
  return pairs
    .filter(([, inMysql, inRedis]) => inMysql !== inRedis)
    .map(([name, inMysql, inRedis]) => `${name} is ${inMysql} in MySQL and ${inRedis} in Redis`);
}

/**
 * What Redis must have of a sale that may be changed while it is looked at: as it was at the first reading of MySQL,
 * at the second, or in between. The one that Redis has; if it has none of them, the one of the same version.
 */
function imageFor(cut: SaleCut, before: StoredSale, after: StoredSale): SaleRow {
  const images = [...imagesOf(before), ...imagesOf(after)];
  const isSame = (image: SaleRow) =>
    image.state === cut.state && differences(image, cut).length === 0;
  return images.find(isSame) ?? images.find(({ version }) => version === cut.version) ?? before;
}

/** Whether both keys are hashes and every counter is a number. */
export const isWhole = ({ total, granted, returned, recorded, limit, winners }: SaleCut): boolean =>
  ![total, granted, returned, recorded, limit, winners].some(Number.isNaN);

/**
 * The faults of one sale's counters; empty when they agree. `replays`: the number after MySQL's last one waits in
 * the stream, so what MySQL does not have any more, because it was restored, it will have again. `isRead`: between the
 * cut and the second reading, MySQL had all that was in the stream at the cut.
 */
export function counterFaults(
  before: CountedSale,
  cut: SaleCut | undefined,
  after: CountedSale,
  { replays, isRead }: { replays: boolean; isRead: boolean },
): Fault[] {
  if (!cut) return [{ kind: "sale_missing", text: "the sale is not in Redis" }];
  if (cut.state === "") return [{ kind: "unreadable", text: "the sale's key in Redis is no hash" }];
  if (Number.isNaN(cut.winners)) {
    return [{ kind: "unreadable", text: "the key of the sale's winners in Redis is no hash" }];
  }
  if (!isWhole(cut)) return [{ kind: "sale_broken", text: "the sale in Redis lacks a counter" }];
  const { total, granted, returned, recorded, limit, winners } = cut;
  const image = imageFor(cut, before, after);
  const faults: Fault[] = differences(image, cut).map((text) => ({ kind: "sale_differs", text }));
  if (image.state !== cut.state) {
    const text = `the sale is ${image.state} in MySQL and ${cut.state} in Redis`;
    faults.push({ kind: "state_differs", text });
  }
  const expect = (ok: boolean, kind: FindingKind, text: string, rule?: string) => {
    if (!ok) faults.push({ kind, text, ...(rule && { rule }) });
  };
  const active = granted - returned;
  expect(
    before.granted <= granted,
    "counters",
    `Redis has granted ${granted}, and MySQL knows of ${before.granted}`,
    "granted",
  );
  expect(
    recorded <= after.granted || replays,
    "counters",
    `Redis takes ${recorded} for recorded, and MySQL counts ${after.granted}`,
    "recorded",
  );
  // The counter may have been refused by the CHECK while the rows stand.
  const inMysql = Math.max(after.granted, after.lastNumber);
  expect(
    inMysql >= granted || !isRead,
    "entries_lost",
    `Redis has granted ${granted}, and MySQL, which has read the stream to its end, has ${inMysql}`,
    "end",
  );
  expect(
    recorded >= granted || cut.unrecorded,
    "counters",
    `${granted - recorded} grants are not recorded, and the sale is not in the set of those`,
    "unrecorded",
  );
  expect(
    before.returned <= returned && returned <= after.returned,
    "counters",
    `${returned} came back in Redis, ${after.returned} in MySQL`,
  );
  // A winner holds one grant at least, and as many as the limit allows at most.
  expect(
    winners <= active && winners * limit >= active,
    "counters",
    `Redis has ${winners} winners for ${active} grants that are held`,
  );
  expect(active <= total, "oversold", `${active} grants are held in Redis, of ${total}`);
  // More counted than there are rows is for the numbers to say: they may be dead letters.
  expect(
    after.lastNumber <= after.granted,
    "counters",
    `MySQL counts ${after.granted}, and has the number ${after.lastNumber}`,
    "last",
  );
  const held = after.granted - after.returned;
  expect(held <= after.total, "oversold", `${held} grants are held in MySQL, of ${after.total}`);
  return faults;
}
