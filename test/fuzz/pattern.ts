// Texts that match a regular expression, for the patterns of the document: literals, classes, groups, alternatives
// and repetitions. What it cannot read is an error, and so is a text that does not match after all.

import type { Random } from "./random.ts";
import { patternOf } from "./validate.ts";

const REPEATS_MAX = 8;
const range = (from: string, to: string): string[] => {
  const [first, last] = [from.codePointAt(0) ?? 0, to.codePointAt(0) ?? 0];
  return Array.from({ length: last - first + 1 }, (_, at) => String.fromCodePoint(first + at));
};
const DIGITS = range("0", "9");
const WORD = [...range("a", "z"), ...range("A", "Z"), ...DIGITS, "_"];
const PRINTABLE = range(" ", "~");
const CLASSES: Readonly<Record<string, readonly string[]>> = {
  ...{ d: DIGITS, w: WORD, s: [" "], D: range("a", "z"), S: range("!", "~"), W: ["-", " "] },
};

interface Reader {
  readonly source: string;
  at: number;
  readonly random: Random;
}

/** What an escape at `at` stands for; moves behind it. */
function escaped(reader: Reader): readonly string[] {
  const { source } = reader;
  const letter = source[reader.at + 1] ?? "";
  reader.at += 2;
  if (letter === "p" || letter === "P") {
    reader.at = source.indexOf("}", reader.at) + 1;
    return PRINTABLE;
  }
  if (letter === "x" || letter === "u") {
    const digits = letter === "x" ? 2 : 4;
    const code = Number.parseInt(source.slice(reader.at, reader.at + digits), 16);
    reader.at += digits;
    return [String.fromCodePoint(code)];
  }
  return CLASSES[letter] ?? [letter];
}

function classIn(reader: Reader): readonly string[] {
  const { source } = reader;
  reader.at += 1;
  const negated = source[reader.at] === "^";
  if (negated) reader.at += 1;
  const all: string[] = [];
  while (source[reader.at] !== "]") {
    if (reader.at >= source.length) throw new Error(`${source}: a class does not end`);
    const own = source[reader.at] === "\\" ? escaped(reader) : [source[reader.at++] ?? ""];
    if (source[reader.at] === "-" && source[reader.at + 1] !== "]" && own.length === 1) {
      reader.at += 1;
      const to = source[reader.at] === "\\" ? escaped(reader) : [source[reader.at++] ?? ""];
      all.push(...range(own[0] ?? "", to[0] ?? ""));
    } else all.push(...own);
  }
  reader.at += 1;
  return negated ? PRINTABLE.filter((one) => !all.includes(one)) : all;
}

/** Makes one text of what stands at `at`, without what repeats it. */
function atom(reader: Reader): () => string {
  const { source, random } = reader;
  const letter = source[reader.at];
  if (letter === "(") {
    if (/^\(\?[=!<]/.test(source.slice(reader.at))) throw new Error(`${source}: looks around`);
    reader.at += source.startsWith("(?:", reader.at) ? 3 : 1;
    const make = alternatives(reader);
    reader.at += 1;
    return make;
  }
  if (letter === "^" || letter === "$") {
    reader.at += 1;
    return () => "";
  }
  if (letter === "[" || letter === "\\") {
    const choices = letter === "[" ? classIn(reader) : escaped(reader);
    return () => random.pick(choices);
  }
  reader.at += 1;
  return letter === "." ? () => random.pick(PRINTABLE) : () => letter ?? "";
}

function repeated(reader: Reader, make: () => string): () => string {
  const rest = reader.source.slice(reader.at);
  const match = /^(?:\{(\d+)(,(\d*))?\}|[*+?])\??/.exec(rest);
  if (match === null) return make;
  reader.at += match[0].length;
  const least = Number(match[1] ?? (rest[0] === "+" ? 1 : 0));
  const exact = match[1] !== undefined && match[2] === undefined;
  const open = rest[0] === "?" ? 1 : least + REPEATS_MAX;
  const most = exact ? least : Number(match[3] || open);
  return () => Array.from({ length: reader.random.int(least, most) }, make).join("");
}

function alternatives(reader: Reader): () => string {
  const branches: (() => string)[][] = [[]];
  while (reader.at < reader.source.length && reader.source[reader.at] !== ")") {
    if (reader.source[reader.at] === "|") {
      reader.at += 1;
      branches.push([]);
    } else branches.at(-1)?.push(repeated(reader, atom(reader)));
  }
  return () =>
    reader.random
      .pick(branches)
      .map((make) => make())
      .join("");
}

/** A text that matches. Throws where none was found. */
export function textMatching(source: string, random: Random): string {
  const text = alternatives({ source, at: 0, random })();
  if (!patternOf(source).test(text))
    throw new Error(`${JSON.stringify(text)} was made for ${source} and does not match`);
  return text;
}
