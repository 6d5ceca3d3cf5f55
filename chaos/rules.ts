// The promises, held against what is stored when all is calm and against what clients were told: pure functions.

import type { Findings } from "./findings.ts";
import type { Folded, Story } from "./fold.ts";

export interface Row {
  readonly number: number;
  /** 0 for a burned number. */
  readonly user: number;
  readonly state: string;
}

/** A sale as it is stored in the end. */
export interface FinalSale {
  readonly name: string;
  readonly total: number;
  /** MySQL's counters; `returned` includes the burned numbers. */
  readonly granted: number;
  readonly returned: number;
  readonly rows: readonly Row[];
  /** Redis's; undefined where it does not have the sale. */
  readonly redis:
    | {
        readonly granted: number;
        readonly returned: number;
        readonly recorded: number;
        readonly winners: ReadonlyMap<number, number>;
      }
    | undefined;
}

const isVoid = ({ state }: Row): boolean => state === "void";
/** Somebody was told, by an answer or by a list, that the user has it. */
const isConfirmed = ({ confirmedAt, listedAt }: Story): boolean =>
  Math.min(confirmedAt, listedAt) < Number.POSITIVE_INFINITY;

function checkNumbers(sale: FinalSale, loss: boolean, findings: Findings): void {
  const { name, rows, total, granted, returned } = sale;
  const sorted = rows.map(({ number }) => number).toSorted((a, b) => a - b);
  const wrong = sorted.findIndex((number, place) => number !== place + 1);
  if (wrong >= 0) {
    findings.add("numbers", `${name}: number ${wrong + 1} is missing or doubled`);
  }
  const voids = rows.filter(isVoid).length;
  if (voids > 0 && !loss)
    findings.add("numbers", `${name}: ${voids} numbers burned without a loss`);
  if (rows.length - voids > total) {
    findings.add("oversold", `${name}: ${rows.length - voids} of ${total} sold`);
  }
  if (granted !== rows.length || returned !== voids) {
    const counters = `${granted} granted and ${returned} returned`;
    findings.add(
      "counters",
      `${name}: ${rows.length} rows, ${voids} void; MySQL counts ${counters}`,
    );
  }
}

function checkRedis({ name, rows, redis }: FinalSale, findings: Findings): void {
  if (!redis) {
    findings.add("counters", `${name}: Redis does not have it`);
    return;
  }
  const { granted, returned, recorded, winners } = redis;
  const voids = rows.filter(isVoid).length;
  if (granted !== rows.length || recorded !== rows.length || returned !== voids) {
    const counters = `${granted} granted, ${recorded} recorded, ${returned} returned`;
    findings.add(
      "counters",
      `${name}: ${rows.length} rows, ${voids} void; Redis counts ${counters}`,
    );
  }
  const owned = rows.filter((row) => !isVoid(row));
  const missing = owned.find(({ user, number }) => winners.get(user) !== number);
  if (missing || winners.size !== owned.length) {
    const example = missing ? `, not user ${missing.user} with ${missing.number}` : "";
    findings.add("counters", `${name}: Redis has ${winners.size} winners${example}`);
  }
}

/** Those who were told that they have it and have nothing, or were told two things. */
function wronged(
  sale: FinalSale,
  stories: ReadonlyMap<number, Story>,
  owners: ReadonlySet<number>,
): { lost: string[]; contradicted: string[] } {
  const [lost, contradicted]: [string[], string[]] = [[], []];
  for (const [user, story] of stories) {
    if (story.contradiction) contradicted.push(story.contradiction);
    else if (isConfirmed(story) && !owners.has(user)) {
      lost.push(`${sale.name}: user ${user} was told to have it and has no row`);
    }
  }
  return { lost, contradicted };
}

function checkUsers(
  sale: FinalSale,
  stories: ReadonlyMap<number, Story>,
  loss: boolean,
  findings: Findings,
): void {
  const owners = new Set<number>();
  for (const row of sale.rows) {
    if (isVoid(row)) continue;
    const { user } = row;
    if (owners.has(user)) findings.add("once", `${sale.name}: user ${user} has two rows`);
    owners.add(user);
    if (!stories.get(user)?.starts.some(Number.isFinite)) {
      findings.add("phantom", `${sale.name}: user ${user} has a row and never tried`);
    }
  }
  for (const [user, { starts, repeatedAt, repeatedFrom, listedAt }] of stories) {
    const other = starts[0] === repeatedFrom ? starts[1] : starts[0];
    if (Number.isFinite(repeatedAt) && other >= repeatedAt) {
      findings.add("phantom", `${sale.name}: user ${user} was told to repeat a first attempt`);
    }
    if (Number.isFinite(listedAt) && starts[0] >= listedAt) {
      findings.add(
        "phantom",
        `${sale.name}: user ${user} had it in the list before the first attempt`,
      );
    }
  }
  const { lost, contradicted } = wronged(sale, stories, owners);
  // A loss that was reported leaves as many users without their grant as numbers were burned; they may have
  // won a second time since, or been told that it is sold out.
  const excused = loss ? sale.rows.filter(isVoid).length : 0;
  if (lost.length + contradicted.length <= excused) return;
  for (const text of lost) findings.add("recorded", text);
  for (const text of contradicted) {
    findings.add(text.endsWith("show it") ? "ownList" : "sameAnswer", text);
  }
}

/** Holds one sale against what its customers were told. */
export function checkSale(
  sale: FinalSale,
  folded: Folded,
  loss: boolean,
  findings: Findings,
): void {
  const { name, rows, total } = sale;
  checkNumbers(sale, loss, findings);
  checkRedis(sale, findings);
  checkUsers(sale, folded.stories.get(name) ?? new Map<number, Story>(), loss, findings);
  const voids = rows.filter(isVoid).length;
  // Numbers that were burned gave their units back.
  if (voids > 0) return;
  const again = folded.soldAgain.get(name);
  if (again) findings.add("soldOut", again);
  if (folded.soldOutAt.has(name) && rows.length < total) {
    findings.add("soldOut", `${name} was told to be sold out with ${rows.length} of ${total} sold`);
  }
}

/** A sale that customers were told of and that is not stored. */
export function checkUnknownSales(
  stored: ReadonlySet<string>,
  folded: Folded,
  findings: Findings,
): void {
  for (const [name, stories] of folded.stories) {
    if (stored.has(name)) continue;
    for (const [user, story] of stories) {
      if (isConfirmed(story)) {
        findings.add("recorded", `${name} is not stored; user ${user} was told to have it`);
      }
    }
  }
}
