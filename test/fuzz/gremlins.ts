// Values that software trips over. None of the texts looks like what leaks.ts takes for a leak: services may give
// back what they were given.

import { Raw } from "./request.ts";

/** Texts of at most 40 characters, all of which JSON can carry. */
export const TEXTS: readonly string[] = [
  ...["", " ", "\t", "\r\n", "\0", "\u0007", "a\u0000b", "\ufeff", "\u200b", "\u202eabc"],
  ...["\ud800", "\udfff", "x\ud83d", "\ufffe", "👩‍👩‍👧‍👦", "e\u0301", "ａｄｍｉｎ", "ﷺ", "İ", "ß"],
  ...["' OR 1=1 --", '"; DROP TABLE x; --', "`", "\\", "%00", "%s%n", "{{7*7}}"],
  ...["<script>alert(1)</script>", "../../etc/passwd", "..\\..", "null", "undefined", "NaN"],
  ...["true", "0", "-1", "0x10", " 5 ", "1e3", "inf", "__proto__", "constructor", "toString"],
  ...["{s1}:sale:1", "a:b*?", "\r\nX-Injected: 1", "2027-02-30T25:61:61Z", "0000-00-00"],
  ...["+275760-09-13T00:00:00.001Z", "9999-12-31T23:59:59.999Z", "1969-12-31T23:59:59Z"],
  // Of years that a zone takes away.
  ...["9999-12-31T23:59:59-01:00", "0000-01-01T00:00:00+23:59"],
];

/** Numbers as JSON may write them, and what only looks like one. */
export const NUMBERS: readonly Raw[] = [
  ...["1e400", "-1e400", "-0", "0", "1.5", "-1", "1e3", "1E+2", "1.0", "1e-7", "0.1"],
  ...["2147483647", "2147483648", "4294967296", "9007199254740991", "9007199254740992"],
  ...["9007199254740993", "18446744073709551615", "1e21", "123456789012345678901234567890"],
].map((text) => new Raw(text));

/** No JSON at all. */
export const BROKEN_JSON: readonly string[] = [
  ...["{", "}", "{]", '{"a":}', '{"a":1,}', "{'a':1}", "{a:1}", "NaN", "Infinity", "undefined"],
  ...[
    '{"a":01}',
    '{"a":.5}',
    '{"a":+1}',
    '{"a":"\u0001"}',
    '{"a":"\\x"}',
    "{} {}",
    "[1,2",
    "\u0000",
  ],
  ...['{"a":1}x', "// nothing\n{}", '\ufeff{"a":1}'],
];

/** Of other types than those given, as `typeOf` names them. */
export const OTHER_TYPES: readonly unknown[] = [
  ...[null, true, false, 1, 1.5, "text", "1", [], [1], [[]], {}, { a: 1 }, { length: 1 }],
];

/** What no id is. */
export const NO_IDS: readonly string[] = [
  ...[
    "0",
    "-1",
    "1.5",
    "x",
    "1e3",
    "01",
    "9".repeat(30),
    "%00",
    "1%00",
    "%20",
    "1%20",
    "%EF%BC%91",
  ],
  ...["__proto__", "1%2f2", "..%2f1", "%27", "1;", "null", "NaN", "0x1"],
];

/** What no list gives as a cursor. */
export const NO_CURSORS: readonly string[] = [
  ...["x", "%", " ", "AAAA", "[]", "{}", "null", "[1e400]", "[1.5]", "[null]", "[[1]]"],
  ...["[1,2,3,4,5,6,7,8,9]", '{"length":1,"0":1}', "[".repeat(150)],
].map((text) => (/^[[{n]/.test(text) ? Buffer.from(text).toString("base64url") : text));
