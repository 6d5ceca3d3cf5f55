// `doorbuster audit`: prints what the audit finds.

import type { Command } from "commander";
import { type AuditReport, audit } from "../audit/audit.ts";
import type { Finding } from "../audit/finding.ts";
import { saleNow } from "../audit/sales.ts";
import { limits } from "../limits.ts";
import { CannotRun, type Ending, newCommand, saleId } from "./command.ts";
import { type Servers, withServers } from "./servers.ts";

interface Options {
  data: string;
  sale?: number;
  json?: true;
}

const SALES_SHOWN = 50;

export function addAudit(program: Command, ending: Ending): void {
  newCommand(program, "audit", "Compares what Redis and MySQL know of every grant.")
    .option("--sale <id>", "this sale only", saleId)
    .option("--json", "one JSON object instead of tables")
    .action(ending((options: Options) => withServers(options.data, (at) => run(at, options))));
}

async function run(servers: Servers, { sale, json }: Options): Promise<number> {
  if (sale !== undefined && !(await saleNow(servers.pool.db, sale))) {
    throw new CannotRun(`There is no sale ${sale}.`);
  }
  const progress = createProgress();
  const report = await audit({ ...servers, progress: progress.show }, { saleId: sale });
  progress.clear();
  if (json) console.log(JSON.stringify(report));
  else {
    print(report);
    if (!servers.codes) console.log("Codes were not compared: CODE_SECRET is not set here.");
  }
  return report.findings.length === 0 ? 0 : 1;
}

/**
 * One line on the terminal that is written over; nothing at all where standard error is no terminal. With it the
 * garbage is collected: left alone, a busy machine lets it grow to a multiple of what is in use.
 */
function createProgress() {
  const { stderr } = process;
  const since = performance.now();
  let shownAt = since;
  let pages = 0;
  return {
    show(text: string) {
      pages += 1;
      if (pages % limits.auditPagesPerCollection === 0) Bun.gc(true);
      const now = performance.now();
      const early = now - since < limits.auditQuietMs || now - shownAt < limits.auditProgressMs;
      if (!stderr.isTTY || early) return;
      shownAt = now;
      stderr.write(`\r\x1b[K${text}`);
    },
    clear() {
      if (shownAt > since) stderr.write("\r\x1b[K");
    },
  };
}

/** One line for each finding. */
export function printFindings(findings: readonly Finding[]): void {
  for (const { saleId: id, shard, kind, text, numbers, count } of findings) {
    // A single number is in the text.
    const list = count > 1 ? numbers.join(", ") : "";
    const about = list === "" ? "" : `: ${list}${count > numbers.length ? ", …" : ""} (${count})`;
    console.log(`${id === undefined ? `shard ${shard}` : `sale ${id}`}  ${kind}  ${text}${about}`);
  }
}

function print({ sales, findings }: AuditReport): void {
  // Those with findings first; the others by how much they have sold.
  const shown = sales
    .toSorted((a, b) => b.findings - a.findings || b.granted - a.granted || a.sale - b.sale)
    .slice(0, SALES_SHOWN);
  // The name of a row, so that the table has no column of its own that counts.
  const rows = shown.map(({ sale, ...rest }) => [`sale ${sale}`, rest] as const);
  if (rows.length > 0) console.log(Bun.inspect.table(Object.fromEntries(rows)));
  if (shown.length < sales.length) console.log(`and ${sales.length - shown.length} more sales`);
  printFindings(findings);
  const found = findings.length === 0 ? "no findings" : counted(findings.length, "finding");
  console.log(`Compared ${counted(sales.length, "sale")}: ${found}.`);
}

const counted = (count: number, what: string): string =>
  `${count} ${what}${count === 1 ? "" : "s"}`;
