// When two user names are the same. They are shown as registered and compared folded: `Alice`, `ALICE` and
// the full-width `ａｌｉｃｅ` are one name. MySQL's collations differ between the servers, so it compares only
// the digest of the folded name.

import { createHash } from "node:crypto";
import { limits } from "../limits.ts";
import { countChars } from "../text.ts";

const INVISIBLE = /\p{Default_Ignorable_Code_Point}/gu;
const CONTROL = /\p{C}/u;
const PLAIN = /^[\x20-\x7e]*$/;

/**
 * The form in which names are compared: compatibility forms, case and invisible characters make no
 * difference. The way to lower case leads through upper case because some letters (ß and ẞ, ſ, ς) only meet
 * there; NFKC comes twice because folding can take a text out of that form.
 */
export function foldName(name: string): string {
  if (PLAIN.test(name)) return name.toLowerCase();
  const folded = name.normalize("NFKC").toLowerCase().toUpperCase().toLowerCase();
  return folded.normalize("NFKC").replace(INVISIBLE, "");
}

/** What MySQL holds unique: SHA-256 of the folded name, in hexadecimal. */
export const nameKeyOf = (name: string): string =>
  createHash("sha256").update(foldName(name)).digest("hex");

/**
 * Whether somebody may register under this name: 1 to `limits.usernameCharsMax` characters, none of them a
 * control or format character, no white space at the ends, something visible. A name of one or two dots
 * could not be written in a path.
 */
export function isAcceptableName(name: string): boolean {
  // A character has at most two units: whatever is longer need not be counted.
  if (name.length > 2 * limits.usernameCharsMax) return false;
  return (
    name.isWellFormed() &&
    countChars(name) <= limits.usernameCharsMax &&
    !CONTROL.test(name) &&
    name.trim() === name &&
    name !== "." &&
    name !== ".." &&
    foldName(name) !== ""
  );
}
