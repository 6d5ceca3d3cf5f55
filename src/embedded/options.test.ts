import { expect, test } from "bun:test";
import { readOptions } from "./options.ts";

test("without arguments there is a demo, and the data is in .data", () => {
  expect(readOptions([])).toEqual({ help: false, demo: true, dataDir: ".data" });
});

test("--no-demo, --data and --help are understood in any order", () => {
  expect(readOptions(["--data", "elsewhere", "--no-demo"])).toEqual({
    help: false,
    demo: false,
    dataDir: "elsewhere",
  });
  expect(readOptions(["--help", "--data=elsewhere"])).toEqual({
    help: true,
    demo: true,
    dataDir: "elsewhere",
  });
});

test.each([[["--demo"]], [["stray"]], [["--data"]], [["--data="]]])("%p is refused", (given) => {
  expect(() => readOptions(given)).toThrow();
});
