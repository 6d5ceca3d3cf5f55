import type { Held } from "./order.ts";
import type { Reason } from "./outcome.ts";

/**
 * A coupon must be unused and within its dates; a template that was disabled since takes nothing from those who hold
 * one. What the order itself has locked it can use as long as the lock runs, also when the dates are over: the lock was
 * taken in time. The dates are judged at `now`; what is used up or has been marked as expired stays so, whichever instant is
 * asked about.
 */
export function mustBeUsable(held: Held, now: Date): Reason | undefined {
  const { state, lockedUntil, validFrom, expiresAt } = held;
  const isLocked = state === "locked" && (!lockedUntil || lockedUntil > now);
  if (isLocked && held.lockedByOrder) return undefined;
  if (state === "used") return { code: "used" };
  if (state === "expired" || (expiresAt && expiresAt <= now)) {
    return { code: "expired", expiredAt: expiresAt?.toISOString() ?? null };
  }
  if (validFrom && validFrom > now) {
    return { code: "not_yet_valid", validFrom: validFrom.toISOString() };
  }
  if (isLocked) {
    return { code: "locked", until: lockedUntil?.toISOString() ?? null };
  }
  return undefined;
}
