// One look at single numbers of a sale: what MySQL, the stream and the winners say of each now. Everything is
// asked in an order in which moving data agrees: a grant is in Redis before it is in MySQL, it leaves the stream
// only when MySQL has it, and a winner leaves Redis only after the row says so.

import { and, eq, inArray } from "drizzle-orm";
import type { Claim } from "../grab/winners.ts";
import { winnersOf } from "../grab/winners.ts";
import { deadLetters } from "../ledger/table.ts";
import { limits } from "../limits.ts";
import { shardOf } from "../redis/keys.ts";
import type { SaleRow } from "../sales/stored.ts";
import { sameHolder } from "./claim.ts";
import type { Fault } from "./counters.ts";
import { readCut } from "./cut.ts";
import type { AuditDeps } from "./deps.ts";
import { type PendingSale, readPending } from "./pending.ts";
import { isHeld, type Row, rowFault, rowsOf } from "./rows.ts";

/** What is wrong with one number; without a number, with a winner. */
export interface NumberFault extends Fault {
  readonly number?: number;
}

/**
 * Looks at these numbers. `claims` are what winners have said of them; whether they still do is asked again.
 * Throws when a server does not answer.
 */
export async function inspectNumbers(
  deps: AuditDeps,
  sale: Pick<SaleRow, "id" | "userLimit">,
  numbers: Iterable<number>,
  claims: readonly Claim[] = [],
): Promise<NumberFault[]> {
  const all = [...numbers];
  const faults: NumberFault[] = [];
  for (let at = 0; at < all.length; at += limits.auditInspectedAtOnce) {
    const some = all.slice(at, at + limits.auditInspectedAtOnce);
    const asked = new Set(some);
    faults.push(
      ...(await lookAt(
        deps,
        sale,
        some,
        claims.filter(({ number }) => asked.has(number)),
      )),
    );
  }
  return faults;
}

/** All that is known of the numbers in hand. */
interface Known {
  /** What Redis has granted; read last, so that it is beyond every row. */
  readonly granted: number;
  readonly rows: ReadonlyMap<number, Row>;
  readonly pending: PendingSale | undefined;
  readonly buried: ReadonlySet<number>;
  /** What winners hold now, by number. */
  readonly held: ReadonlyMap<number, readonly Claim[]>;
}

async function lookAt(
  deps: AuditDeps,
  sale: Pick<SaleRow, "id" | "userLimit">,
  numbers: readonly number[],
  claims: readonly Claim[],
): Promise<NumberFault[]> {
  const { redis, pool } = deps;
  const shard = shardOf(sale.id);
  let rows = await rowsOf(pool, sale.id, numbers);
  let pending: PendingSale | undefined;
  let buried: ReadonlySet<number> = new Set();
  if (rows.size < numbers.length) {
    const { lastId } = await readCut(redis, shard, []);
    pending = (await readPending(deps, shard, new Set([sale.id]), lastId)).sales.get(sale.id);
    rows = await rowsOf(pool, sale.id, numbers);
    buried = await buriedOf(deps, sale.id, numbers);
  }
  const users = new Set(claims.map(({ userId }) => userId));
  for (const number of numbers) {
    const userId = rows.get(number)?.userId ?? pending?.at(number)?.userId;
    if (userId) users.add(userId);
  }
  const winners = await winnersOf(redis, sale.id, [...users]);
  const held = Map.groupBy(
    [...winners.values()].flatMap((user) => user.claims),
    ({ number }) => number,
  );
  const { sales } = await readCut(redis, shard, [sale.id]);
  const granted = sales.get(sale.id)?.granted ?? 0;
  const known = { granted, rows, pending, buried, held };
  return numbers.flatMap((number) => faultsOf(number, sale.userLimit, known));
}

/** Those of these numbers that are dead letters. */
export async function buriedOf(
  { pool }: AuditDeps,
  saleId: number,
  numbers: readonly number[],
): Promise<Set<number>> {
  const letters = await pool.db
    .select({ number: deadLetters.grantNo })
    .from(deadLetters)
    .where(
      and(
        eq(deadLetters.shard, shardOf(saleId)),
        eq(deadLetters.saleId, saleId),
        inArray(deadLetters.grantNo, [...numbers]),
      ),
    );
  return new Set(letters.map(({ number }) => number));
}

function faultsOf(number: number, userLimit: number, known: Known): NumberFault[] {
  const row = known.rows.get(number);
  const held = known.held.get(number) ?? [];
  const fault = (kind: Fault["kind"], text: string): NumberFault => ({ kind, text, number });
  const unknown = (why: string) =>
    held.map(({ userId }) =>
      fault("winner_unknown", `user ${userId} has number ${number}, ${why}`),
    );
  // A counter that cannot be read says so by itself.
  if (number > known.granted) {
    const why = `and Redis has granted ${known.granted}`;
    return row
      ? [fault("number_unknown", `MySQL has number ${number}, ${why}`)]
      : unknown(`${why} only`);
  }
  const faults: NumberFault[] = [];
  const ofRow = row && rowFault(row, userLimit);
  if (ofRow) faults.push({ ...ofRow, number });
  if (row && !isHeld(row)) return [...faults, ...unknown(`which is ${row.state} in MySQL`)];
  const holder = row && isHeld(row) ? row : known.pending?.at(number);
  if (holder) return [...faults, ...comparedTo(holder, held, fault)];
  // It is reported as a dead letter, or will be one.
  if (known.buried.has(number) || known.pending?.unreadable.has(number)) return faults;
  const [claim] = held;
  const whose = claim ? `; the winners give it to user ${claim.userId}` : "";
  return [
    ...faults,
    fault("number_missing", `number ${number} is neither in MySQL nor in the stream${whose}`),
  ];
}

/** Compares the ledger's holder of a number with those that the winners hash names. */
function comparedTo(
  holder: Claim,
  held: readonly Claim[],
  fault: (kind: Fault["kind"], text: string) => NumberFault,
): NumberFault[] {
  const { number, userId } = holder;
  const others = held.filter((claim) => !sameHolder(claim, holder));
  if (others.length < held.length) {
    return others.map((claim) =>
      fault(
        "winner_unknown",
        `user ${claim.userId} has number ${number} in slot ${claim.slot}, which is user ${userId}'s`,
      ),
    );
  }
  const [other] = others;
  if (!other) {
    return [
      fault("winner_missing", `user ${userId} has number ${number}, and is not a winner of it`),
    ];
  }
  const texts = [holder, other].map(
    (claim) => `user ${claim.userId} in slot ${claim.slot}${claim.keyHash ? " with a key" : ""}`,
  );
  return [
    fault("winner_differs", `number ${number} is ${texts[0]} by the ledger, ${texts[1]} in Redis`),
  ];
}
