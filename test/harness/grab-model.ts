// What grab.lua must do, said a second time and as simply as possible, for tests that compare the two.

/** One attempt: user id, and a key hash or "". */
export type Attempt = readonly [user: string, key: string];

/** All that grab.lua reads and writes. Texts are as they stand in Redis. */
export interface GrabState {
  gate: Record<string, string>;
  /** Empty when Redis does not have the sale. */
  sale: Record<string, string>;
  winners: Record<string, string>;
  /** Ids of sales in the set of unrecorded ones. */
  unrecorded: string[];
  /** What each call has put into the stream. */
  entries: ModelEntry[];
}

export interface ModelEntry {
  readonly epoch: number;
  readonly first: number;
  readonly granted: number;
  readonly returned: number;
  readonly winners: readonly { user: string; slot: number; key: string }[];
}

export interface GrabCall {
  readonly epoch: string;
  readonly backlogMax: number;
  readonly saleId: number;
  readonly attempts: readonly Attempt[];
}

/** The reply of the script; "error" is any error reply. */
export type GrabReply = "fenced" | "missing" | "error" | string[];

const NAMES = ["total", "granted", "returned", "recorded", "limit"] as const;

const isCount = (text: string | undefined): boolean => /^\d{1,15}$/.test(text ?? "");

/** Decides one call and changes the state as the script must; `now` in milliseconds. */
export function decide(state: GrabState, call: GrabCall, now: number): GrabReply {
  const { gate, sale } = state;
  if (gate.state !== "open" || gate.epoch !== call.epoch) return "fenced";
  if (call.attempts.length === 0) return [];
  if (sale.state === undefined) return "missing";
  const windows = [sale.opens, sale.closes].filter((text) => text !== undefined);
  if (![...NAMES.map((name) => sale[name]), ...windows].every(isCount)) return "missing";
  const [total, before, returned, recorded, limit] = NAMES.map((name) => Number(sale[name])) as [
    ...[number, number, number, number, number],
  ];
  if (returned > before || recorded > before) return "missing";
  let granted = before;
  const winners: { user: string; slot: number; key: string }[] = [];
  const replies = call.attempts.map(([user, key]) => {
    const slots = state.winners[user]?.split(",") ?? [];
    const held = slots.findIndex(
      (part) => part !== "" && (limit === 1 || (part.split(":")[1] ?? "") === key),
    );
    if (held >= 0) return `repeated ${slots[held]?.split(":")[0]} ${held + 1}`;
    if (sale.state === "paused") return "paused";
    if (sale.state !== "open") return "ended";
    if (sale.closes !== undefined && now >= Number(sale.closes)) return "ended";
    if (sale.opens !== undefined && now < Number(sale.opens)) return "not_started";
    if (limit > 1 && key === "") return "key_required";
    const free = slots.indexOf("");
    const slot = (free >= 0 ? free : slots.length) + 1;
    if (slot > limit) return "limit_reached";
    if (granted - recorded >= call.backlogMax) return "backlog";
    if (granted - returned >= total) return "sold_out";
    granted += 1;
    slots[slot - 1] = key === "" ? `${granted}` : `${granted}:${key}`;
    state.winners[user] = slots.join(",");
    winners.push({ user, slot, key });
    return `granted ${granted} ${slot}`;
  });
  if (winners.length === 0) return replies;
  sale.granted = String(granted);
  state.unrecorded = [...new Set([...state.unrecorded, String(call.saleId)])];
  state.entries.push({
    ...{ epoch: Number(call.epoch), first: before + 1, granted, returned, winners },
  });
  return replies;
}
