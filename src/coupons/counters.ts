// What templates count of their coupons: how many one user has locked or used (template_users), and how much of the
// budget is set aside and spent. One conditional UPDATE each decides whether there is room, whatever others do at the
// same time. Rows are changed in one order, users before templates and both by id, and after the coupons, so that no
// two transactions wait for each other in a circle; the templates come last because many wait for one of them.

import { and, eq, type SQL, sql } from "drizzle-orm";
import type { Transaction } from "../db/client.ts";
import { templates } from "../templates/table.ts";
import type { Change } from "./plan.ts";
import { templateUsers } from "./table.ts";

/** A change of one coupon's template. */
export interface Move extends Change {
  readonly templateId: number;
  readonly userId: number;
  /** Coupons of the template that one user may have locked or used; null is any number. */
  readonly userLimit: number | null;
}

export type Settled =
  | { readonly kind: "settled" }
  | { readonly kind: "user-limit" | "budget"; readonly templateId: number };

interface UserSum {
  readonly templateId: number;
  readonly userId: number;
  readonly userLimit: number | null;
  held: number;
}

interface BudgetSum {
  readonly templateId: number;
  reserved: number;
  spent: number;
}

function sumsOf(moves: readonly Move[]): { users: UserSum[]; budgets: BudgetSum[] } {
  const users = new Map<string, UserSum>();
  const budgets = new Map<number, BudgetSum>();
  for (const { templateId, userId, userLimit, ...change } of moves) {
    const key = `${templateId} ${userId}`;
    const user = users.get(key) ?? { templateId, userId, userLimit, held: 0 };
    const budget = budgets.get(templateId) ?? { templateId, reserved: 0, spent: 0 };
    user.held += change.held;
    budget.reserved += change.reserved;
    budget.spent += change.spent;
    users.set(key, user);
    budgets.set(templateId, budget);
  }
  return {
    users: [...users.values()]
      .filter(({ held }) => held !== 0)
      .sort((a, b) => a.templateId - b.templateId || a.userId - b.userId),
    budgets: [...budgets.values()]
      .filter(({ reserved, spent }) => reserved !== 0 || spent !== 0)
      .sort((a, b) => a.templateId - b.templateId),
  };
}

/**
 * Never below zero: a counter that is off is for the audit to find, and must not keep a coupon locked for ever.
 * Columns and sums are unsigned, so what goes up comes first.
 */
const moved = (column: SQL, by: number): SQL =>
  by >= 0 ? sql`${column} + ${by}` : sql`IF(${column} > ${-by}, ${column} - ${-by}, 0)`;

async function moveHeld(tx: Transaction, sum: UserSum): Promise<boolean> {
  const { templateId, userId, userLimit, held } = sum;
  const room = sql`${templateUsers.held} + ${held} <= ${userLimit}`;
  const update = async () => {
    const [result] = await tx
      .update(templateUsers)
      .set({ held: moved(sql`${templateUsers.held}`, held) })
      .where(
        and(
          eq(templateUsers.templateId, templateId),
          eq(templateUsers.userId, userId),
          held > 0 && userLimit !== null ? room : undefined,
        ),
      );
    return result.affectedRows === 1;
  };
  if (await update()) return true;
  if (held < 0) return true;
  // No room, or the user's first coupon of this template.
  await tx
    .insert(templateUsers)
    .values({ templateId, userId, held: 0 })
    .onDuplicateKeyUpdate({ set: { held: sql`${templateUsers.held}` } });
  return update();
}

async function moveBudget(tx: Transaction, sum: BudgetSum): Promise<boolean> {
  const { templateId, reserved, spent } = sum;
  const growth = reserved + spent;
  const room = sql`(${templates.budget} IS NULL
    OR ${templates.budgetReserved} + ${templates.budgetSpent} + ${growth} <= ${templates.budget})`;
  const [result] = await tx
    .update(templates)
    .set({
      budgetReserved: moved(sql`${templates.budgetReserved}`, reserved),
      budgetSpent: moved(sql`${templates.budgetSpent}`, spent),
    })
    .where(and(eq(templates.id, templateId), growth > 0 ? room : undefined));
  return result.affectedRows === 1;
}

/**
 * Counts the moves. Anything but "settled" says which template has no room; the transaction must then be rolled
 * back. Throws MySQL's error.
 */
export async function settle(tx: Transaction, moves: readonly Move[]): Promise<Settled> {
  const { users, budgets } = sumsOf(moves);
  for (const sum of users) {
    if (!(await moveHeld(tx, sum))) return { kind: "user-limit", templateId: sum.templateId };
  }
  for (const sum of budgets) {
    if (!(await moveBudget(tx, sum))) return { kind: "budget", templateId: sum.templateId };
  }
  return { kind: "settled" };
}
