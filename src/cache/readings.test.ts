import { describe, expect, test } from "bun:test";
import { type Changes, EVERYTHING } from "./changes.ts";
import { createReadings } from "./readings.ts";

function fixture() {
  const around = { now: 0, trusted: true };
  let tell: (changes: Changes) => void = () => undefined;
  const readings = createReadings<{ of: number }>(
    {
      onChange(listener) {
        tell = listener;
      },
      believes: (since) => around.trusted || since === around.now,
      now: () => around.now,
    },
    { of: "sale", max: 10, concerns: { kind: "template", keyOf: (value) => value.of } },
  );
  const keep = readings.begin();
  for (const id of [1, 2, 3]) keep(id, { of: id % 2 });
  const known = () => [1, 2, 3].filter((id) => readings.peek(id) !== undefined);
  return { around, readings, known, tell: (changes: Changes) => tell(changes) };
}

describe("what was read is kept until", () => {
  test("a change of it is heard of", () => {
    const { known, tell } = fixture();
    tell([{ kind: "sale", key: 2 }]);
    expect(known()).toEqual([1, 3]);
  });

  test("what it is of changes", () => {
    const { known, tell } = fixture();
    tell([{ kind: "template", key: 1 }]);
    expect(known()).toEqual([2]);
  });

  test("everything may have changed", () => {
    const { known, tell } = fixture();
    tell(EVERYTHING);
    expect(known()).toEqual([]);
  });

  test("nobody would hear of a change any more", () => {
    const { around, known } = fixture();
    around.now = 1;
    expect(known()).toEqual([1, 2, 3]);
    around.trusted = false;
    expect(known()).toEqual([]);
  });
});

test("what began to be read before any change is not kept", () => {
  const { readings, tell } = fixture();
  const keep = readings.begin();
  tell([{ kind: "sale", key: 99 }]);
  keep(7, { of: 0 });
  expect(readings.peek(7)).toBeUndefined();
});
