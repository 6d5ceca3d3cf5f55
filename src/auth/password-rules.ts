// What may be a password of /v1: length counts, rules on which characters it is made of do not. The commonest
// passwords are refused, because they are what is tried first.

import { limits } from "../limits.ts";
import { countChars } from "../text.ts";
import { foldName } from "../users/name.ts";
import common from "./common-passwords.txt" with { type: "text" };

const commonest = new Set(common.split("\n").filter((line) => line !== ""));

/** What is wrong with a new password, as a sentence that says what to do; undefined when nothing is. */
export function passwordProblem(password: string, username: string): string | undefined {
  // First, so that nothing counts the characters of a text without bounds. Bytes, because they are what is hashed.
  if (Buffer.byteLength(password) > limits.passwordBytesMax) {
    return `Use a password of at most ${limits.passwordBytesMax} bytes.`;
  }
  if (countChars(password) < limits.passwordCharsMin) {
    return `Use a password of at least ${limits.passwordCharsMin} characters.`;
  }
  if (commonest.has(password.toLowerCase())) {
    return "This is one of the passwords that are tried first. Use one that nobody else has.";
  }
  if (foldName(password) === foldName(username)) return "Use a password other than the user name.";
  return undefined;
}
