// `doorbuster resume`: opens a paused sale again, if its numbers agree.

import type { Command } from "commander";
import { audit } from "../audit/audit.ts";
import type { Finding, FindingKind } from "../audit/finding.ts";
import { saleNow } from "../audit/sales.ts";
import { saleKeys } from "../redis/keys.ts";
import { isFence } from "../redis/script.ts";
import type { ChangesDeps } from "../sales/change/changes.ts";
import { openSale, type StateChange } from "../sales/change/pause.ts";
import { printFindings } from "./audit.ts";
import { CannotRun, type Ending, newCommand, saleId } from "./command.ts";
import { type Servers, withServers } from "./servers.ts";

interface Options {
  data: string;
  sale: number;
}

export function addResume(program: Command, ending: Ending): void {
  newCommand(program, "resume", "Opens a paused sale again, unless the audit finds something.")
    .requiredOption("--sale <id>", "the sale", saleId)
    .addHelpText(
      "after",
      "\nIf it finds coupon_missing, run first: doorbuster coupons repair --sale <id>",
    )
    .action(ending((options: Options) => withServers(options.data, (at) => run(at, options))));
}

async function run(servers: Servers, { sale: id }: Options): Promise<number> {
  const { redis, pool } = servers;
  const sale = await saleNow(pool.db, id);
  if (!sale?.warmedAt) throw new CannotRun(`There is no sale ${id} that has ever been open.`);
  const report = await audit(servers, { saleId: id });
  const findings = report.findings.filter((finding) => stands(finding, id));
  if (findings.length > 0) {
    printFindings(findings);
    console.log(`Sale ${id} stays as it is.`);
    return 1;
  }
  const onUnfit: ChangesDeps["onUnfit"] = ({ action, change }) => {
    console.error(
      `Sale ${id}: MySQL cannot hold a change of it (${action} ${JSON.stringify(change)}), which is dropped. The service recovers its shard, because Redis may have it.`,
    );
    // A sale that lacks a counter sells nothing, and whoever finds it so has its shard recovered.
    return redis.hdel(saleKeys(id).sale, "recorded");
  };
  const deps = { redis, db: pool.db, onUnfit };
  const change = await openSale(deps, id).catch((error): StateChange => {
    if (isFence(error)) return "fenced";
    throw error;
  });
  if (change === "fenced") {
    throw new CannotRun(
      `Sale ${id} is open in MySQL, not in Redis: its shard recovers. Is the service running? Then try again.`,
    );
  }
  console.log(change === "set" ? `Sale ${id} is open again.` : `Sale ${id} was open.`);
  return 0;
}

/**
 * What keeps no sale closed: a half-made pause or opening is what this command finishes, and what coupons have gone
 * through after the grant is no matter of the sale.
 */
const APART: ReadonlySet<FindingKind> = new Set([
  "state_differs",
  "coupon_state",
  "coupon_counters",
]);

/** Whether a finding keeps the sale closed. */
const stands = ({ saleId: about, kind }: Finding, id: number): boolean =>
  (about === id && !APART.has(kind)) || kind === "gate" || kind === "stream";
