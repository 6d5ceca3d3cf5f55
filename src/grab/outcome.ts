/** Why a grab has no definite answer; a repeat by the user resolves it. */
export type Unavailable = "recovering" | "backlog" | "overloaded" | "unknown";

/** What can become of a grab. `number` is the grant number. */
export type GrabOutcome =
  | { readonly kind: "granted"; readonly number: number }
  | { readonly kind: "repeated"; readonly number: number }
  | { readonly kind: "sold_out" }
  | { readonly kind: "limit_reached" }
  | { readonly kind: "key_required" }
  /** Both by Redis, in milliseconds since the epoch. */
  | { readonly kind: "not_started"; readonly opensAt: number; readonly serverTime: number }
  | { readonly kind: "ended" }
  | { readonly kind: "paused" }
  | { readonly kind: "too_fast"; readonly retryAfterSeconds: number }
  | {
      readonly kind: "unavailable";
      readonly reason: Unavailable;
      readonly retryAfterSeconds: number;
    };

export const unavailable = (reason: Unavailable): GrabOutcome => ({
  kind: "unavailable",
  reason,
  retryAfterSeconds: 1,
});

const RECOVERING = unavailable("recovering");
const BACKLOG = unavailable("backlog");
const SOLD_OUT: GrabOutcome = { kind: "sold_out" };

/** Translates one reply of grab.lua. Throws on a word that the script does not have. */
export function outcomeOf(reply: string): GrabOutcome {
  if (reply === "sold_out") return SOLD_OUT;
  const [word, number, second] = reply.split(" ");
  switch (word) {
    case "granted":
    case "repeated":
      return { kind: word, number: Number(number) };
    case "limit_reached":
    case "key_required":
    case "ended":
    case "paused":
      return { kind: word };
    case "not_started":
      return { kind: word, opensAt: Number(number), serverTime: Number(second) };
    case "backlog":
      return BACKLOG;
    case "fenced":
    case "missing":
      return RECOVERING;
    default:
      throw new Error(`grab.lua answered ${reply}`);
  }
}
