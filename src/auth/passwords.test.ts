import { expect, test } from "bun:test";
import { limits } from "../limits.ts";
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

const tryOn = (password: string, passwordHash: string) =>
  passwords.matches(password, async () => ({ passwordHash }));

test("only the exact password matches, with its NUL and its spaces", async () => {
  const passwordHash = await hashed(" a\0b ");
  const owner = { passwordHash };
  expect(await tryOn(" a\0b ", passwordHash)).toEqual({ owner, right: true });
  for (const other of [" a\0c ", " a", "a\0b", ""]) {
    expect(await tryOn(other, passwordHash)).toEqual({ owner, right: false });
  }
});

test("nothing matches a user who does not exist", async () => {
  const nobody = await passwords.matches("anything", async () => undefined);
  expect(nobody).toEqual({ owner: undefined, right: false });
});

test("nobody is looked for before the turn comes, nor for those who are turned away", async () => {
  const held = Promise.withResolvers<undefined>();
  let looking = 0;
  const find = () => {
    looking += 1;
    return held.promise;
  };
  const many = limits.passwordHashesAtOnce + limits.passwordWaitersMax;
  const waiting = Array.from({ length: many }, () => passwords.matches("x", find));
  expect(await passwords.matches("x", find)).toBe("busy");
  expect(looking).toBe(limits.passwordHashesAtOnce);
  held.reject(new Error("away"));
  await Promise.allSettled(waiting);
});

test("a failure to look gives the turn to the next", async () => {
  const away = () => Promise.reject(new Error("away"));
  for (let time = 0; time <= limits.passwordHashesAtOnce; time += 1) {
    await expect(passwords.matches("x", away)).rejects.toThrow("away");
  }
});
