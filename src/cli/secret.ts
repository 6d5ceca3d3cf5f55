// Passwords that commands set: from standard input, so that they stand in no list of processes and in no history of
// a shell, or drawn here and shown once.

import { randomBytes } from "node:crypto";
import { passwordProblem } from "../auth/password-rules.ts";
import { CannotRun } from "./command.ts";

/** A password for this user: the first line of standard input, or drawn. Throws `CannotRun` when it is weak. */
export async function newPassword(username: string, fromInput: boolean): Promise<string> {
  const password = fromInput ? await firstLine() : randomBytes(15).toString("base64url");
  const problem = passwordProblem(password, username);
  if (problem !== undefined) throw new CannotRun(problem);
  return password;
}

/** Shows a password that was drawn; the operator knows one that was given. */
export function showDrawn(password: string, fromInput: boolean): void {
  if (!fromInput) console.log(`The password, shown only now: ${password}`);
}

async function firstLine(): Promise<string> {
  for await (const line of console) return line;
  throw new CannotRun("Give the password as the first line of standard input.");
}
