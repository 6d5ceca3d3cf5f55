import { Problem } from "../problem.ts";
import type { Actor } from "../v1/actor.ts";

/** Whose coupons are meant; `field` is where a service has to say so. Throws the refusal when nobody is. */
export function ownerOf(
  actor: Actor,
  named: number | undefined,
  field: { pointer: string } | { parameter: string },
): number {
  if (actor.kind === "user") {
    if (named === undefined || named === actor.userId) return actor.userId;
    throw new Problem("forbidden", { detail: "Users have their own coupons only." });
  }
  if (named !== undefined) return named;
  throw new Problem("validation", { errors: [{ ...field, detail: "Say whose coupons." }] });
}
