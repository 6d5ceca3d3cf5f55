// The audit: does what Redis, the stream and MySQL say of every sale agree? It works while sales run. Redis is
// read first, in one moment; a grant moves from Redis's stream into MySQL and never back, so what is read later
// can only have more. Whatever looks wrong is looked at again, after a pause, before it becomes a finding.

import { setTimeout as sleep } from "node:timers/promises";
import type { DatabasePool } from "../db/client.ts";
import { limits } from "../limits.ts";
import type { Redis } from "../redis/client.ts";
import { allShards, shardOf } from "../redis/keys.ts";
import type { SaleRow } from "../sales/warm.ts";
import { counterFaults, type Fault } from "./counters.ts";
import { readCut } from "./cut.ts";
import type { Finding } from "./finding.ts";
import { saleNow, salesNow, salesPage } from "./sales.ts";

export interface AuditDeps {
  readonly redis: Redis;
  readonly pool: DatabasePool;
}

/** One sale as the audit found it. */
export interface SaleReport {
  readonly sale: number;
  readonly name: string;
  readonly state: string;
  readonly total: number;
  readonly granted: number;
  readonly returned: number;
  /** Grants in Redis that MySQL did not have yet. */
  readonly backlog: number;
  readonly winners: number;
  readonly findings: number;
}

export interface AuditReport {
  readonly sales: readonly SaleReport[];
  readonly findings: readonly Finding[];
}

/** Audits every warmed sale, or one. Throws when a server does not answer. */
export async function audit(
  deps: AuditDeps,
  { saleId }: { saleId?: number | undefined } = {},
): Promise<AuditReport> {
  const report = { sales: [] as SaleReport[], findings: [] as Finding[] };
  for (const shard of saleId === undefined ? allShards : [shardOf(saleId)]) {
    for await (const page of pagesOf(deps, shard, saleId)) {
      await auditPage(deps, shard, page, report);
    }
  }
  return report;
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
    const page = await salesPage(pool.db, shard, after);
    if (page.length === 0) return;
    yield page;
    after = page.at(-1)?.id ?? after;
  }
}

async function auditPage(
  deps: AuditDeps,
  shard: number,
  page: SaleRow[],
  report: { sales: SaleReport[]; findings: Finding[] },
): Promise<void> {
  let { cut, faults } = await lookAtCounters(deps, shard, page);
  if (faults.size > 0) {
    await sleep(limits.auditSecondLookMs);
    const again = await lookAtCounters(
      deps,
      shard,
      page.filter(({ id }) => faults.has(id)),
    );
    faults = again.faults;
  }
  for (const row of page) {
    const found = faults.get(row.id) ?? [];
    for (const fault of found) {
      report.findings.push({ ...fault, shard, saleId: row.id, numbers: [], count: 1 });
    }
    const sale = cut.sales.get(row.id);
    report.sales.push({
      ...{ sale: row.id, name: row.name, state: sale?.state ?? "missing", total: row.total },
      ...{ granted: sale?.granted ?? 0, returned: sale?.returned ?? 0 },
      ...{ backlog: (sale?.granted ?? 0) - (sale?.recorded ?? 0), winners: sale?.winners ?? 0 },
      findings: found.length,
    });
  }
}

async function lookAtCounters({ redis, pool }: AuditDeps, shard: number, page: SaleRow[]) {
  const ids = page.map(({ id }) => id);
  const before = await salesNow(pool.db, ids);
  const cut = await readCut(redis, shard, ids);
  const after = await salesNow(pool.db, ids);
  const faults = new Map<number, Fault[]>();
  for (const row of page) {
    const [earlier = row, later = row] = [before.get(row.id), after.get(row.id)];
    const found = counterFaults(earlier, cut.sales.get(row.id), later);
    if (found.length > 0) faults.set(row.id, found);
  }
  return { cut, faults };
}
