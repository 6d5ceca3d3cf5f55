// What can become of a change of a sale.

/** A field that is not right. */
interface Fault {
  readonly field: string;
  readonly detail: string;
}

/** Why a sale does not take a change. */
export type Refusal =
  | { readonly kind: "unknown" }
  /** It is open already. */
  | { readonly kind: "opened" }
  /** So many units are held. */
  | { readonly kind: "below_granted"; readonly active: number }
  /** Of the template's total count so many units are left. */
  | { readonly kind: "count_exceeded"; readonly left: number }
  | { readonly kind: "not_published" }
  /** Another sale of the seller has it. */
  | { readonly kind: "name_taken" }
  /** The service has paused it (own-pause.ts). */
  | { readonly kind: "held" }
  /** The shard has recovered meanwhile, and the change was not made. */
  | { readonly kind: "superseded" }
  | { readonly kind: "invalid"; readonly faults: readonly Fault[] };

/**
 * "later": it stands in the outbox and takes effect, unless it is refused then, as soon as the shard has recovered.
 * "busy": somebody else's stands there until then, and nothing is noted of this one.
 */
export type ChangeOutcome =
  | { readonly kind: "done" }
  | { readonly kind: "later" | "busy" }
  | Refusal;
