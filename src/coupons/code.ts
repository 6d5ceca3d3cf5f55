// Codes of coupons: a keyed HMAC of sale, grant number and user. So a repeated grab gets the same code before
// MySQL has the coupon, on whichever process it lands, and nobody can guess one. A code begins with the id of the
// secret that made it, so that an old one is told apart after a new secret has been put in front.

import { createHmac } from "node:crypto";

/** Crockford's base32: without the letters that are taken for digits or make words. */
const ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const KEY_ID_CHARS = 2;
const HMAC_CHARS = 18;

const CODE = new RegExp(`^[${ALPHABET}]{${KEY_ID_CHARS + HMAC_CHARS}}$`);
const MISREAD: Readonly<Record<string, string>> = { O: "0", I: "1", L: "1" };

const LETTERS = Uint8Array.from(ALPHABET, (letter) => letter.charCodeAt(0));
/** Where a code is put together: one is made for every grab that wins, and a text that grows costs more. */
const written = Buffer.alloc(HMAC_CHARS);

/** The first characters of these bytes in base32; at most `HMAC_CHARS` of them. */
function base32(bytes: Uint8Array, chars: number): string {
  for (let char = 0; char < chars; char++) {
    const bit = char * 5;
    const two = ((bytes[bit >> 3] ?? 0) << 8) | (bytes[(bit >> 3) + 1] ?? 0);
    written[char] = LETTERS[(two >> (11 - (bit & 7))) & 31] ?? 0;
  }
  return written.toString("latin1", 0, chars);
}

/** The two characters that name a secret in the codes it makes; they say nothing else about it. */
export const codeKeyOf = (secret: string): string =>
  base32(createHmac("sha256", secret).update("key id").digest(), KEY_ID_CHARS);

export interface CouponCodes {
  /** Id of the newest secret: the one for sales that are made from now on. */
  readonly current: string;
  /** Ids of all secrets, newest first. */
  readonly keyIds: readonly string[];
  /**
   * The code of a grant, 20 characters; `keyId` is the sale's, where "" means the oldest secret. Undefined when no
   * secret of that id is configured.
   */
  codeOf(keyId: string, saleId: number, grantNo: number, userId: number): string | undefined;
}

/** `secrets` newest first, at least one, no two of one id: the settings see to that. */
export function createCouponCodes(secrets: readonly string[]): CouponCodes {
  const keyIds = secrets.map(codeKeyOf);
  // A keyed hasher that is copied costs a third of one that is made anew.
  const hashers = new Map(
    secrets.map((secret) => [codeKeyOf(secret), new Bun.CryptoHasher("sha256", secret)]),
  );
  const current = keyIds[0];
  const oldest = keyIds.at(-1);
  if (current === undefined || oldest === undefined) throw new Error("there is no code secret");
  return {
    current,
    keyIds,
    codeOf(keyId, saleId, grantNo, userId) {
      const id = keyId === "" ? oldest : keyId;
      const hasher = hashers.get(id);
      if (!hasher) return undefined;
      const digest = hasher.copy().update(`coupon ${saleId} ${grantNo} ${userId}`).digest();
      return id + base32(digest, HMAC_CHARS);
    },
  };
}

/**
 * A code as a person types it, in its one spelling: letters of either case, spaces and dashes anywhere, O for 0, I
 * or L for 1. Undefined when it cannot be a code.
 */
export function parseCode(text: string): string | undefined {
  const code = text
    .toUpperCase()
    .replaceAll(/[\s-]/g, "")
    .replaceAll(/[OIL]/g, (letter) => MISREAD[letter] ?? letter);
  return CODE.test(code) ? code : undefined;
}
