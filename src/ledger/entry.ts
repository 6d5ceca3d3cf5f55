// The ledger entry as grab.lua writes it, read back. An entry lists all winners of one script call, with
// consecutive numbers from `first`; a winner is `user`, or `user:slot:keyhash` where the slot is not the
// first or the grab carried a key.

/** One grant as it stands in the ledger. */
export interface LedgerGrant {
  readonly saleId: number;
  readonly grantNo: number;
  readonly userId: number;
  readonly userSlot: number;
  readonly keyHash: string | null;
  readonly epoch: number;
  readonly grantedAt: Date;
}

/** A winner that could not be read; the number is known from its place. */
export interface UnreadableGrant {
  readonly grantNo: number;
  readonly text: string;
  readonly reason: string;
}

/** What one stream entry says. `marker` entries carry no grants; `broken` ones could not be read at all. */
export type LedgerEntry =
  | {
      id: string;
      kind: "grant";
      saleId: number;
      first: number;
      granted: number;
      returned: number;
      grants: LedgerGrant[];
      unreadable: UnreadableGrant[];
    }
  | { id: string; kind: "marker" }
  | { id: string; kind: "broken"; reason: string; payload: string };

/** A stream id and its fields and values, as XREAD returns them. */
export type RawEntry = [id: string, fields: string[]];

const integer = (text: string | undefined, name: string): number => {
  const value = Number(text);
  if (text === undefined || text === "" || !Number.isSafeInteger(value) || value < 0) {
    throw new Error(`${name} is not a whole number: ${text ?? "missing"}`);
  }
  return value;
};

const messageOf = (error: unknown): string =>
  error instanceof Error ? error.message : String(error);

/** Reads one entry. Never throws: what cannot be read is `broken`, with the reason, and stays visible. */
export function parseEntry([id, list]: RawEntry): LedgerEntry {
  const fields = new Map<string, string>();
  for (let i = 0; i + 1 < list.length; i += 2) fields.set(list[i] ?? "", list[i + 1] ?? "");
  try {
    const kind = fields.get("kind");
    if (kind === "epoch") return { id, kind: "marker" };
    if (kind !== "grant") throw new Error(`unknown kind: ${kind ?? "missing"}`);
    return parseGrants(id, fields);
  } catch (error) {
    return { id, kind: "broken", reason: messageOf(error), payload: JSON.stringify(list) };
  }
}

function parseGrants(id: string, fields: Map<string, string>): LedgerEntry {
  const saleId = integer(fields.get("sale"), "sale");
  const epoch = integer(fields.get("epoch"), "epoch");
  const grantedAt = new Date(integer(fields.get("at"), "at"));
  if (Number.isNaN(grantedAt.getTime())) throw new Error("at is not a time");
  const first = integer(fields.get("first"), "first");
  const granted = integer(fields.get("granted"), "granted");
  const returned = integer(fields.get("returned"), "returned");
  const winners = (fields.get("users") ?? "").split(",");
  if (first + winners.length - 1 !== granted) {
    throw new Error(`${winners.length} grants from ${first} do not end at ${granted}`);
  }
  const grants: LedgerGrant[] = [];
  const unreadable: UnreadableGrant[] = [];
  for (const [index, text] of winners.entries()) {
    const grantNo = first + index;
    const [user, slot = "1", key = ""] = text.split(":");
    try {
      const [userId, userSlot] = [integer(user, "user"), integer(slot, "slot")];
      const keyHash = key === "" ? null : key;
      grants.push({ saleId, grantNo, userId, userSlot, keyHash, epoch, grantedAt });
    } catch (error) {
      // The others of the call have won all the same.
      unreadable.push({ grantNo, text, reason: messageOf(error) });
    }
  }
  return { id, kind: "grant", saleId, first, granted, returned, grants, unreadable };
}

/** Order of two stream ids: negative when `a` is older. */
export function compareIds(a: string, b: string): number {
  const [aMs = 0, aSeq = 0] = a.split("-").map(Number);
  const [bMs = 0, bSeq = 0] = b.split("-").map(Number);
  return aMs - bMs || aSeq - bSeq;
}
