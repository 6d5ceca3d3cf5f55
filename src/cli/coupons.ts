// `doorbuster coupons repair`: makes the coupons that recorded grants lack.

import type { Command } from "commander";
import { asc, eq, gt } from "drizzle-orm";
import { type RepairDeps, repairCoupons } from "../coupons/repair.ts";
import type { Database } from "../db/client.ts";
import { limits } from "../limits.ts";
import { sales } from "../sales/table.ts";
import { CannotRun, type Ending, newCommand, saleId } from "./command.ts";
import { type Servers, withServers } from "./servers.ts";

interface Options {
  data: string;
  sale?: number;
}

interface Sale {
  readonly id: number;
  readonly templateId: number;
  readonly codeKey: string;
}

/** One sale, or all of them page by page. */
async function* salesOf(db: Database, only: number | undefined): AsyncGenerator<Sale> {
  for (let after = 0; ; ) {
    const page: Sale[] = await db
      .select({ id: sales.id, templateId: sales.templateId, codeKey: sales.codeKey })
      .from(sales)
      .where(only === undefined ? gt(sales.id, after) : eq(sales.id, only))
      .orderBy(asc(sales.id))
      .limit(limits.couponRepairSalesPerPage);
    if (only !== undefined && page.length === 0) throw new CannotRun(`There is no sale ${only}.`);
    yield* page;
    after = page.at(-1)?.id ?? after;
    if (only !== undefined || page.length < limits.couponRepairSalesPerPage) return;
  }
}

const counted = (count: number, what: string): string =>
  `${count} ${what}${count === 1 ? "" : "s"}`;

/** Exit code 0 when no coupon is missing any more, 1 when some were refused. */
async function repair({ pool: { db }, codes }: Servers, { sale: only }: Options): Promise<number> {
  if (!codes) throw new CannotRun("Set CODE_SECRET, as for the service: it makes the codes.");
  const deps: RepairDeps = { db, codes };
  let [made, refused] = [0, 0];
  for await (const sale of salesOf(db, only)) {
    const done = await repairCoupons(deps, sale);
    made += done.made;
    refused += done.refused;
    if (done.made + done.refused + done.settled === 0) continue;
    const parts = [
      `${counted(done.made, "coupon")} made`,
      done.refused > 0 ? `${done.refused} refused: SELECT reason FROM dead_letters says why` : "",
      done.settled > 0 ? `${counted(done.settled, "dead letter")} settled and taken away` : "",
    ];
    console.log(`sale ${sale.id}  ${parts.filter(Boolean).join("; ")}`);
  }
  console.log(
    `Made ${counted(made, "coupon")}${refused > 0 ? `, and could not make ${refused}` : ""}.`,
  );
  return refused === 0 ? 0 : 1;
}

/** Adds the commands. */
export function addCoupons(program: Command, ending: Ending): void {
  const group = program.command("coupons").description("Looks after the coupons of grants.");
  newCommand(
    group,
    "repair",
    "Makes the coupons that recorded grants lack, such as those from before there were coupons.",
  )
    .option("--sale <id>", "this sale only", saleId)
    .addHelpText(
      "after",
      "\nIt may be run while the service runs, and again. A coupon expires by the time of its grant, as if it had been" +
        "\nmade then. A sale that was paused for it is opened by: doorbuster resume --sale <id>",
    )
    .action(ending((options: Options) => withServers(options.data, (at) => repair(at, options))));
}
