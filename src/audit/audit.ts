// The audit: does what Redis, the stream and MySQL say of every sale agree? It works while sales run. Redis is
// read first, in one moment; then the stream behind MySQL's cursor; then MySQL. A grant moves from the stream
// into MySQL and never back, so a number that is granted at that moment and then in neither is truly missing.
// Whatever looks wrong is looked at again, after a pause, before it becomes a finding.
//
// While a shard recovers, nothing of it is compared: recovery moves everything there is, and compares by itself.

import { setTimeout as sleep } from "node:timers/promises";
import { limits } from "../limits.ts";
import { allShards, shardOf } from "../redis/keys.ts";
import type { SaleRow } from "../sales/stored.ts";
import { warmSalesPage } from "../sales/stored.ts";
import { type Fault, isWhole } from "./counters.ts";
import { type Cut, readCut } from "./cut.ts";
import type { AuditDeps } from "./deps.ts";
import { Doubts } from "./doubts.ts";
import type { Finding } from "./finding.ts";
import type { Fold } from "./fold.ts";
import { counterFaultsOf, lookAtCounters } from "./look.ts";
import { readPending } from "./pending.ts";
import { auditSale, findingsOf } from "./sale.ts";
import { saleNow } from "./sales.ts";
import { buriedFindings, openEpoch, shardFaults } from "./shard.ts";
import { auditTemplates } from "./templates.ts";

/** One sale as the audit found it. */
export interface SaleReport {
  readonly sale: number;
  readonly name: string;
  readonly state: string;
  readonly total: number;
  readonly granted: number;
  /** Voids included. */
  readonly returned: number;
  readonly voids: number;
  /** Rows in MySQL. */
  readonly recorded: number;
  /** Grants in Redis that MySQL did not have yet. */
  readonly backlog: number;
  readonly winners: number;
  findings: number;
}

export interface AuditReport {
  readonly sales: SaleReport[];
  readonly findings: Finding[];
}

export interface AuditOptions {
  /** Only this sale, and the shard that it is on. */
  readonly saleId?: number | undefined;
  readonly secondLookMs?: number;
}

/** Audits every warmed sale, or one. Throws when a server does not answer. */
export async function audit(
  deps: AuditDeps,
  { saleId, secondLookMs = limits.auditSecondLookMs }: AuditOptions = {},
): Promise<AuditReport> {
  const report: AuditReport = { sales: [], findings: [] };
  const shards = saleId === undefined ? allShards : [shardOf(saleId)];
  for (const [shard, faults] of await settledFaults(deps, shards, secondLookMs)) {
    for (const fault of faults) report.findings.push({ ...fault, shard, numbers: [], count: 1 });
    if (!faults.some(({ kind }) => kind === "gate")) {
      for await (const page of pagesOf(deps, shard, saleId)) {
        await auditWhileOpen(deps, { shard, page, secondLookMs }, report);
      }
    }
    report.findings.push(...(await buriedFindings(deps, shard, saleId)));
  }
  const only = saleId === undefined ? undefined : await saleNow(deps.pool.db, saleId);
  const templates = { templateId: only?.templateId, secondLookMs };
  report.findings.push(...(await auditTemplates(deps, templates)));
  const counts = Map.groupBy(report.findings, (finding) => finding.saleId);
  for (const sale of report.sales) sale.findings = counts.get(sale.sale)?.length ?? 0;
  return report;
}

/** A recovery may be at work, and a lease of a process that has just left runs out: both are waited for. */
async function settledFaults(
  deps: AuditDeps,
  shards: readonly number[],
  secondLookMs: number,
): Promise<Map<number, Fault[]>> {
  const faults = new Map<number, Fault[]>();
  const look = async (at: Iterable<number>) => {
    for (const shard of [...at]) faults.set(shard, await shardFaults(deps, shard));
    return [...faults].flatMap(([shard, { length }]) => (length > 0 ? [shard] : []));
  };
  const startedAt = performance.now();
  let faulty = await look(shards);
  const passes = [...faults.values()].flat().some(({ kind }) => kind !== "stream");
  const deadline = startedAt + (passes ? limits.auditGateWaitMs : secondLookMs);
  while (faulty.length > 0 && performance.now() < deadline) {
    await sleep(Math.min(limits.auditGateLookMs, secondLookMs));
    faulty = await look(faulty);
  }
  return faults;
}

async function* pagesOf(
  { pool }: AuditDeps,
  shard: number,
  saleId: number | undefined,
): AsyncGenerator<SaleRow[]> {
  if (saleId !== undefined) {
    const sale = await saleNow(pool.db, saleId);
    if (sale?.warmedAt) yield [sale];
    return;
  }
  for (let after = 0; ; ) {
    const page = await warmSalesPage(pool.db, shard, after, limits.auditSalesPerCut);
    if (page.length === 0) return;
    yield page;
    after = page.at(-1)?.id ?? after;
  }
}

interface Page {
  readonly shard: number;
  readonly page: readonly SaleRow[];
  readonly secondLookMs: number;
}

/** What was found while a recovery came in between counts for nothing, and is looked for again. */
async function auditWhileOpen(deps: AuditDeps, page: Page, report: AuditReport): Promise<void> {
  for (let round = 1; ; round += 1) {
    const epoch = await openEpoch(deps, page.shard);
    const { sales, findings } = await auditPage(deps, page);
    const steady =
      findings.length === 0 ||
      (epoch !== undefined && (await openEpoch(deps, page.shard)) === epoch);
    if (steady || round === limits.auditRoundsMax) {
      report.sales.push(...sales);
      report.findings.push(...findings);
      return;
    }
    await settledFaults(deps, [page.shard], page.secondLookMs);
  }
}

async function auditPage(
  deps: AuditDeps,
  { shard, page, secondLookMs }: Page,
): Promise<AuditReport> {
  const ids = page.map(({ id }) => id);
  const doubts = new Doubts();
  const counters = await lookAtCounters(deps, shard, ids);
  for (const saleId of counters.faults.keys()) {
    await doubts.add(saleId, () => counterFaultsOf(deps, shard, saleId));
  }
  const cut = await readCut(deps.redis, shard, ids);
  const waiting = ids.filter((id) => cut.sales.get(id)?.unrecorded);
  const pending = await readPending(deps, shard, new Set(waiting), cut.lastId);
  const findings: Finding[] = pending.broken.map((id) => {
    const text = `the entry ${id} of the stream cannot be read`;
    return { kind: "stream", shard, text, numbers: [], count: 1 };
  });
  const folds = new Map<number, Fold>();
  for (const sale of page) {
    const at = cut.sales.get(sale.id);
    // A sale that is not whole in Redis is a doubt already; nothing can be compared with it.
    if (!at || !isWhole(at)) continue;
    if (at.granted === 0 && at.winners === 0 && counters.rows.get(sale.id)?.lastNumber === 0)
      continue;
    folds.set(sale.id, await auditSale(deps, sale, at, pending.sales.get(sale.id), doubts));
  }
  const confirmed = await doubts.confirmed(secondLookMs);
  const sales = page.map((sale) => {
    const fold = folds.get(sale.id);
    findings.push(...findingsOf(sale.id, confirmed.get(sale.id) ?? [], fold?.suspects.left));
    return reportOf(sale, cut, fold);
  });
  return { sales, findings };
}

function reportOf({ id, name, total }: SaleRow, cut: Cut, fold: Fold | undefined): SaleReport {
  const at = cut.sales.get(id);
  return {
    ...{ sale: id, name, state: at?.state ?? "missing", total },
    ...{ granted: at?.granted ?? 0, returned: at?.returned ?? 0, voids: fold?.voids ?? 0 },
    ...{ recorded: fold?.rows ?? 0, backlog: fold?.backlog ?? 0, winners: at?.winners ?? 0 },
    findings: 0,
  };
}
