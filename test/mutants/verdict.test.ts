// The runner of the mutants must not be kind: what was not caught by its own test, by that test's own judgement,
// in a tree that works, was not caught.

import { expect, test } from "bun:test";
import { outcomesIn, type TestOutcome } from "./run.ts";
import { ALIVE, faultOf, verdictOn } from "./verdict.ts";

const named = { file: "test/one.test.ts", title: "one & <two>" };
const passed = (of: typeof named): TestOutcome => ({ ...of, seconds: 1 });
const failed = (of: typeof named, type = "AssertionError"): TestOutcome => ({
  ...passed(of),
  failure: { type, message: "expected 1" },
});
const why = (outcomes: readonly TestOutcome[] | undefined): string => {
  const verdict = verdictOn(named, outcomes);
  return verdict.caught ? "" : verdict.why;
};

test("a mutant is caught when its test fails by its own judgement, and all else works", () => {
  expect(verdictOn(named, [passed(ALIVE), failed(named)])).toEqual({
    ...{ caught: true, by: "expected 1" },
  });
});

test("a mutant is not caught by a test that passes, does not run, or breaks", () => {
  expect(why([passed(ALIVE), passed(named)])).toBe("IT SURVIVES");
  expect(why([passed(ALIVE)])).toBe("the test did not run");
  expect(why([passed(ALIVE), failed(named, "TypeError")])).toStartWith("the test did not come");
  expect(why([passed(ALIVE), failed(named, "TimeoutError")])).toStartWith("the test did not come");
});

test("a tree that hangs or does not work proves nothing", () => {
  expect(why(undefined)).toStartWith("it hangs");
  expect(why([failed(named)])).toBe("it does not start");
  expect(why([failed(ALIVE), failed(named)])).toStartWith("it does not work at all");
});

test("without an edit every named test must be there and pass", () => {
  expect(faultOf([named], [passed(named)])).toBeUndefined();
  expect(faultOf([named], [failed(named)])).toStartWith("fails without any edit: one & <two>");
  expect(faultOf([named], [])).toStartWith("there is no such test");
  expect(faultOf([named], undefined)).toBe("the run had to be killed");
});

test("a report tells which tests ran, how they ended, and what they said", () => {
  const report = `<testsuites><testsuite name="x">
    <testcase name="one &amp; &lt;two&gt;" classname="a" time="1.5" file="test/one.test.ts" line="2">
      <failure type="AssertionError" message="expected&#10;&quot;1&quot;">more</failure>
    </testcase>
    <testcase name="left out" classname="a" time="0" file="test/one.test.ts"><skipped /></testcase>
    <testcase name="fine" classname="a" time="0.5" file="test/one.test.ts" />
  </testsuite></testsuites>`;
  expect(outcomesIn(report)).toEqual([
    {
      ...{ ...named, seconds: 1.5 },
      failure: { type: "AssertionError", message: 'expected\n"1"' },
    },
    { file: "test/one.test.ts", title: "fine", seconds: 0.5 },
  ]);
});
