import { describe, expect, test } from "bun:test";
import { passwordProblem } from "./password-rules.ts";

const of = (password: string, username = "alice") => passwordProblem(password, username);

describe("a password is taken", () => {
  test("from 8 characters to 1,024 bytes, whatever it is made of", () => {
    for (const password of [
      "8 chars!",
      "抢购快抢购快抢购",
      "𠀀𠀁𠀂𠀃𠀄𠀅𠀆𠀇",
      "a\0b\0c\0d\0",
      " leading and trailing ",
    ]) {
      expect([password, of(password)]).toEqual([password, undefined]);
    }
    expect(of("x".repeat(64))).toBeUndefined();
    expect(of("x".repeat(1_024))).toBeUndefined();
  });
});

describe("a password is refused", () => {
  test("when it is too short or too long", () => {
    // The third has 9 bytes, the last 14 of what JavaScript calls its length.
    for (const password of ["7 chars", "", "抢购快", "𠀀𠀁𠀂𠀃𠀄𠀅𠀆"])
      expect([password, of(password)]).toEqual([password, expect.stringContaining("at least 8")]);
    expect(of("x".repeat(1_025))).toContain("at most 1024");
    expect(of("抢".repeat(342))).toContain("at most 1024");
  });

  test("when it is one of the commonest, in any case", () => {
    for (const password of ["password", "PassWord", "12345678", "qwertyuiop", "iloveyou"]) {
      expect([password, of(password)]).toEqual([password, expect.stringContaining("tried first")]);
    }
  });

  test("when it is the user's own name, in any spelling", () => {
    expect(of("ALICE in town", "alice in town")).toContain("other than the user name");
    expect(of("ａｌｉｃｅ_in_town", "Alice_in_town")).toContain("other than the user name");
  });
});
