import { expect, test } from "bun:test";
import { createPasswords } from "./passwords.ts";

const passwords = createPasswords();

async function hashed(password: string): Promise<string> {
  const made = await passwords.hash(password);
  if (made === "busy") throw new Error("busy");
  return made.hash;
}

test("a password is kept as argon2id with 19 MiB and two passes", async () => {
  expect(await hashed("correct horse")).toStartWith("$argon2id$v=19$m=19456,t=2,p=1$");
});

test("only the exact password matches, with its NUL and its spaces", async () => {
  const hash = await hashed(" a\0b ");
  expect(await passwords.matches(" a\0b ", hash)).toBe(true);
  for (const other of [" a\0c ", " a", "a\0b", ""]) {
    expect(await passwords.matches(other, hash)).toBe(false);
  }
});

test("nothing matches a user who does not exist", async () => {
  expect(await passwords.matches("anything", undefined)).toBe(false);
});
