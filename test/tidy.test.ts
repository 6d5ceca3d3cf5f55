// The house's rules, as far as a text tells whether they are kept. When a rule matters, it stands here.

import { describe, expect, test } from "bun:test";
import { Glob } from "bun";
import { limits } from "../src/limits.ts";

const ROOT = new URL("..", import.meta.url).pathname;

const read = (path: string): Promise<string> => Bun.file(`${ROOT}${path}`).text();
const listed = (pattern: string): string[] =>
  [...new Glob(pattern).scanSync({ cwd: ROOT, dot: false })].toSorted();

const code = ["src", "test", "bench", "chaos", "scripts"].flatMap((folder) =>
  listed(`${folder}/**/*.{ts,lua,sh}`),
);
const texts = new Map(
  await Promise.all(code.map(async (path) => [path, await read(path)] as const)),
);
const isTest = (path: string): boolean => path.endsWith(".test.ts") || path.startsWith("test/");
const inSource = code.filter((path) => path.startsWith("src/") && !isTest(path));
const scripts = inSource.filter((path) => path.endsWith(".lua"));

/** The text without comments; a rule about code must not trip over a sentence. */
const bare = (path: string): string => {
  const text = texts.get(path) ?? "";
  return path.endsWith(".lua")
    ? text.replaceAll(/--.*$/gm, "")
    : text.replaceAll(/\/\*[\s\S]*?\*\//g, "").replaceAll(/(^|\s)\/\/.*$/gm, "");
};

/** `path:line: text` of every line that matches. */
function lines(paths: readonly string[], pattern: RegExp, textOf = bare): string[] {
  return paths.flatMap((path) =>
    textOf(path)
      .split("\n")
      .flatMap((line, i) => (pattern.test(line) ? [`${path}:${i + 1}: ${line.trim()}`] : [])),
  );
}

const except = (...names: string[]) => inSource.filter((path) => !names.includes(path));
const whole = (path: string): string => texts.get(path) ?? "";

describe("size", () => {
  test("there is code to look at", () => {
    expect(inSource.length).toBeGreaterThan(40);
    expect(scripts.length).toBeGreaterThanOrEqual(5);
  });

  test("a file has fewer than 300 lines", () => {
    const long = code.filter((path) => whole(path).split("\n").length > 300);
    expect(long).toEqual([]);
  });

  test("a function fits one screen of 70 lines", () => {
    expect(code.flatMap(functionsOf).length).toBeGreaterThan(300);
    expect(code.flatMap(longFunctions)).toEqual([]);
  });
});

const HEAD =
  /^( *)(?:export )?(?:default )?(?:static |private )?(?:async )?(?:function\b.*|(?:get |set |\*)?#?\w+\([^"'`]*\)(?:: [^=]+)?) \{$/;

/** Functions and methods by the line of their head and of their last brace, as the formatter sets them. */
function functionsOf(path: string): { first: number; last: number }[] {
  const all = whole(path).split("\n");
  return all.flatMap((line, first) => {
    const indent = HEAD.exec(line)?.[1];
    if (indent === undefined || /^ *(?:if|for|while|switch|catch)\b/.test(line)) return [];
    const length = all.slice(first).findIndex((end) => new RegExp(`^${indent}\\}`).test(end));
    return length < 0 ? [] : [{ first, last: first + length }];
  });
}

/** Functions with too many lines of their own: those of the functions inside a factory are not its own. */
function longFunctions(path: string): string[] {
  const all = functionsOf(path);
  const inside = (one: { first: number; last: number }, other: typeof one) =>
    other.first < one.first && one.last < other.last;
  return all.flatMap((one) => {
    const within = all.filter((other) => inside(other, one));
    const direct = within.filter((other) => !within.some((between) => inside(other, between)));
    const nested = direct.reduce((sum, { first, last }) => sum + last - first + 1, 0);
    const own = one.last - one.first + 1 - nested;
    return own > 70 ? [`${path}:${one.first + 1}: ${own} lines`] : [];
  });
}

describe("where things are read and spelled", () => {
  test("only config.ts reads the environment", () => {
    expect(lines(except("src/config.ts"), /process\.env|Bun\.env|import\.meta\.env/)).toEqual([]);
  });

  test("Redis keys are spelled in redis/keys.ts only", () => {
    const spelled =
      /[`"'](?:\{s|cache:|rate:|revoked:)|[`"']:(?:gate|ledger|sale|winners|unrecorded)\b/;
    expect(lines(except("src/redis/keys.ts"), spelled)).toEqual([]);
  });

  test("nobody but the programs themselves ends the process", () => {
    const programs = ["src/main.ts", "src/embedded/start.ts", "src/cli/main.ts"];
    expect(lines(except(...programs), /process\.exit\(/)).toEqual([]);
  });

  test("services know no transport", () => {
    const services = inSource.filter(
      (path) =>
        (/(?:^|\/)service\.ts$/.test(path) && path !== "src/service.ts") ||
        /^src\/classic\/(?:sales|\w+-lists)\.ts$/.test(path),
    );
    expect(services.length).toBeGreaterThan(2);
    expect(
      lines(services, /from "hono|from "node:http|Bun\.serve|\bResponse\b|\bRequest\b/),
    ).toEqual([]);
  });

  test("no client is made when a module is loaded: connections are passed in", () => {
    expect(
      lines(
        inSource,
        /^(?:export )?const \w+ = (?:await )?(?:connectRedis|openPool|openConnection|new Redis|createPool)\b/,
      ),
    ).toEqual([]);
  });

  test("drivers are made in their one place, with their settings", () => {
    const places = ["src/redis/client.ts", "src/db/client.ts", "src/embedded/probe.ts"];
    expect(lines(except(...places), /new Redis\(|createPool\(|createConnection\(/)).toEqual([]);
  });

  test("OpenTelemetry is in src/tracing only, which is loaded where it is wanted", () => {
    const others = inSource.filter((path) => !path.startsWith("src/tracing/"));
    expect(lines(others, /"@opentelemetry\//)).toEqual([]);
    // Types are gone when the code runs, and wanted.ts imports the rest when it is asked to.
    const loads = [
      ...lines(others, /from "[^"]*\/tracing\/(?!wanted)/),
      ...lines(["src/tracing/wanted.ts"], /from "\.\//),
    ];
    expect(loads.filter((line) => !line.includes(": import type "))).toEqual([]);
  });

  test("every limit is used", () => {
    const all = [...texts.values()].join("\n");
    const unused = Object.keys(limits).filter(
      (name) => !new RegExp(`limits\\.${name}\\b`).test(all),
    );
    expect(unused).toEqual([]);
  });
});

describe("what is never done", () => {
  test("scripts are called by EVALSHA: an EVAL would switch the fence off", () => {
    expect(lines(inSource, /\.eval\(|\.eval_ro\(|\bEVAL\b|"eval"|defineCommand/i)).toEqual([]);
  });

  test("nothing walks over all keys of Redis", () => {
    expect(lines(inSource, /redis\.keys\(|\.scanStream\(|redis\.call\("KEYS"|"KEYS"/)).toEqual([]);
  });

  test("the stream is trimmed behind the cursor, never by its length", () => {
    expect(lines(inSource, /\bMAXLEN\b/i)).toEqual([]);
  });

  test("no row is dropped in silence", () => {
    expect(lines(inSource, /INSERT IGNORE|\.ignore\(\)/i)).toEqual([]);
  });

  test("a grant is inserted, never updated by an insert", () => {
    const ledger = inSource.filter((path) => /^src\/(?:ledger|recovery)\//.test(path));
    const spread = lines(ledger, /insert\(grants\)[^;]*onDuplicateKeyUpdate/, (path) =>
      bare(path).replaceAll(/\n\s*\./g, "."),
    );
    expect(spread).toEqual([]);
  });

  test("keys of a running sale have no lifetime", () => {
    expect(lines(scripts, /"(?:P?EXPIRE|P?EXPIREAT|SETEX|PSETEX)"/)).toEqual([]);
    const ledgerAndGrab = inSource.filter((path) => /^src\/(?:grab|ledger|recovery)\//.test(path));
    expect(lines(ledgerAndGrab, /\.p?expire(?:at)?\(|"EX"|"PX"/)).toEqual([]);
  });

  test("nothing is left to do without a place where it is written down", () => {
    const mine = new Set(["test/tidy.test.ts"]);
    expect(
      lines(
        code.filter((path) => !mine.has(path)),
        /\b(?:TODO|FIXME|XXX|HACK)\b/,
        whole,
      ),
    ).toEqual([]);
  });

  test("tests wait for what they need, not for time to pass", () => {
    const allowed = ["test/harness/until.ts", "test/tidy.test.ts"];
    const tests = code.filter((path) => isTest(path) && !allowed.includes(path));
    expect(lines(tests, /Bun\.sleep|await sleep\(|setTimeout\(resolve|timers\/promises/)).toEqual(
      [],
    );
  });
});

describe("Lua", () => {
  test("is imported as text: without the attribute Bun gives the path, and says nothing", () => {
    const imports = lines(code, /from "[^"]+\.lua"/, whole).filter(
      (line) => !line.startsWith("test/tidy"),
    );
    expect(imports.length).toBeGreaterThanOrEqual(scripts.length);
    expect(imports.filter((line) => !line.endsWith('with { type: "text" };'))).toEqual([]);
  });

  test.each(scripts)("%s opens with what it does, its keys, arguments and reply", (path) => {
    const text = whole(path);
    const name = path.split("/").at(-1);
    expect(text).toMatch(/^#!lua(?: flags=[\w,-]+)?\n-- /);
    expect(text.split("\n")[1]).toStartWith(`-- ${name}: `);
    for (const head of ["KEYS", "ARGV", "Reply"])
      expect(text).toMatch(new RegExp(`^-- ${head} {2,}\\S`, "m"));
  });

  test.each(scripts)("%s names every key and argument that it uses, and no other", (path) => {
    for (const kind of ["KEYS", "ARGV"] as const) {
      const { named, open } = headerOf(path, kind);
      const used = [...bare(path).matchAll(new RegExp(`${kind}\\[(\\d+)\\]`, "g"))].map((match) =>
        Number(match[1]),
      );
      const highest = Math.max(0, ...used);
      expect([kind, named.length]).toEqual([
        kind,
        open ? Math.max(named.length, highest) : highest,
      ]);
      expect([kind, named]).toEqual([kind, named.map((_, i) => i + 1)]);
      // What has no fixed number is named by its first place, and nobody uses a fixed place behind that.
      if (open) expect(highest).toBeLessThan(open);
    }
  });

  test("numbers are never made into keys or replies by Lua's own spelling", () => {
    expect(lines(scripts, /tostring\(/)).toEqual([]);
  });
});

/** The numbered places of a header; `open` is the place from which a list goes on without end. */
function headerOf(
  path: string,
  kind: "KEYS" | "ARGV",
): { named: number[]; open: number | undefined } {
  const text = whole(path);
  const start = text.indexOf(`-- ${kind}`);
  const rest = text.slice(start).split("\n");
  const last = rest.findIndex((line, i) => i > 0 && !/^-- {3,}/.test(line));
  const header = rest.slice(0, last).join("\n");
  const open = /(?:^|\s)(\d+)\.\. /.exec(header)?.[1];
  const named = [...header.matchAll(/(?:^|\s)(\d+) (?=[a-z])/g)].map((match) => Number(match[1]));
  return { named, open: open === undefined ? undefined : Number(open) };
}
