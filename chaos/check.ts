// The checker: what clients wrote down against what is stored.

import { appendFileSync } from "node:fs";
import { join } from "node:path";
import { checkAudit } from "./audit.ts";
import { checkConduct } from "./conduct.ts";
import { finalLedger, finalSales } from "./final.ts";
import { Findings } from "./findings.ts";
import { Fold } from "./fold.ts";
import { readHistory } from "./history.ts";
import type { ChaosOptions } from "./options.ts";
import { checkSale, checkUnknownSales, type FinalSale } from "./rules.ts";
import type { Ran } from "./run.ts";
import type { ChaosSystem } from "./system.ts";

export interface Checked {
  readonly folded: Fold;
  readonly findings: Findings;
  readonly sales: number;
  readonly rows: number;
  readonly recoveries: number;
}

/** A sale as it was compared, for whoever wants to know what went wrong. */
const textOf = (sale: FinalSale): string =>
  JSON.stringify(sale, (_, value: unknown) => (value instanceof Map ? [...value] : value));

/** Reads the history and the stores; the system must be calm. */
export async function check(
  system: ChaosSystem,
  ran: Ran,
  { loss, seconds }: ChaosOptions,
): Promise<Checked> {
  const findings = new Findings();
  const folded = new Fold(findings);
  for await (const attempt of readHistory(ran.historyFile)) folded.take(attempt);
  const connection = await system.connect();
  try {
    const names = new Set<string>();
    let rows = 0;
    for await (const sale of finalSales(connection.db, system.redisClient)) {
      names.add(sale.name);
      rows += sale.rows.length;
      checkSale(sale, folded, loss, findings);
      appendFileSync(join(system.folder, "stored.jsonl"), `${textOf(sale)}\n`);
    }
    checkUnknownSales(names, folded, findings);
    const { recoveries, ...ledger } = await finalLedger(connection.db, system.folder);
    checkConduct({ seconds, folded, ran, ledger }, findings);
    await checkAudit(system, seconds, findings);
    return { folded, findings, sales: names.size, rows, recoveries };
  } finally {
    await connection.close();
  }
}
