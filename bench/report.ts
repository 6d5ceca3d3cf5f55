// Turns the figures into tables, for the terminal and for RESULTS.md alike.

import { type Bar, judge, type Results } from "./bars.ts";
import type { CpuPerRequest, Figure } from "./figures.ts";
import type { Machine } from "./machine.ts";
import { BESIDE, V1_WON } from "./v1.ts";

const digits = (value: number, places: number): string =>
  value.toLocaleString("en-US", { minimumFractionDigits: places, maximumFractionDigits: places });

const whole = (value: number | undefined): string => (value === undefined ? "–" : digits(value, 0));
const short = (value: number | undefined): string =>
  value === undefined ? "–" : digits(value, value < 100 ? 1 : 0);
const fine = (value: number | undefined): string => (value === undefined ? "–" : digits(value, 2));

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => (row[column] ?? "").length)),
  );
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, column) => (column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0))).join(" | ")} |`;
  const rule = `|${widths.map((width, column) => (column === 0 ? "-".repeat(width + 2) : `${"-".repeat(width + 1)}:`)).join("|")}|`;
  return [line(head), rule, ...rows.map(line)].join("\n");
}

const nameOf = ({ scenario, limits }: Figure): string =>
  ["won", "lost", "mixed", V1_WON, BESIDE].includes(scenario)
    ? `${scenario}, limits ${limits}`
    : scenario;

/** p50 / p99 / p99.9 of the answers with one of these statuses. */
function latency({ load }: Figure, ...statuses: string[]): string {
  const found = statuses.map((status) => load.latency[status]).find(Boolean);
  return found ? `${fine(found.p50Ms)} / ${fine(found.p99Ms)}` : "–";
}

function speedTable({ figures, bare, redis }: Results): string {
  return table(
    ["", "requests/s", "÷ bare", "÷ redis", "201/200 p50 / p99 ms", "204 p50 / p99 ms", "answers"],
    figures.map((figure) => [
      nameOf(figure),
      whole(figure.perSecond),
      bare ? fine(figure.perSecond / bare.perSecond) : "–",
      redis[0] ? fine(figure.perSecond / redis[0].perSecond) : "–",
      latency(figure, "201", "200"),
      latency(figure, "204"),
      Object.entries(figure.load.answered)
        .map(([status, count]) => `${status}: ${whole(count)}`)
        .join(", "),
    ]),
  );
}

const cpuCells = (cpu: CpuPerRequest): string[] =>
  [cpu.api, cpu.worker, cpu.redis, cpu.mysql, cpu.sum].map(short);

const cpuTable = ({ figures }: Results): string =>
  table(
    [
      "CPU µs per request",
      "API",
      "ledger thread",
      "Redis",
      "MySQL",
      "sum",
      "bare",
      "API ÷ bare",
      "attempts a call",
      "generator",
      "others, cores",
    ],
    figures.map((figure) => [
      nameOf(figure),
      ...cpuCells(figure.cpu),
      short(figure.bareMicros),
      fine(figure.cpu.api / figure.bareMicros),
      short(figure.attemptsPerCall),
      short(figure.load.generatorMicros),
      fine(figure.othersCores),
    ]),
  );

function auditTable({ figures, growth }: Results): string {
  const rows = [
    ...figures.map((figure) => ({ name: nameOf(figure), ...figure })),
    ...(growth?.legs ?? []),
  ].flatMap(({ name, audit, persistMs, load }) =>
    audit ? [{ name, audit, persistMs, load }] : [],
  );
  return table(
    [
      "numbers",
      "confirmed",
      "granted",
      "recorded",
      "rows",
      "distinct",
      "no answer",
      "last row after",
      "agree",
    ],
    rows.map(({ name, audit, persistMs, load }) => [
      name,
      ...[audit.confirmed, audit.grantedInRedis, audit.recordedInRedis, audit.rowsInMysql].map(
        whole,
      ),
      ...[whole(audit.distinctNumbers), whole(load.errors)],
      persistMs === undefined ? "–" : `${whole(persistMs)} ms`,
      audit.agrees ? "yes" : "NO",
    ]),
  );
}

const barTable = (bars: readonly Bar[]): string =>
  table(
    ["", "figure", "bar", "aim", "verdict", "a bare answer"],
    bars.map(({ what, value, bar, aim, unit, verdict, bareMicros }) => [
      what,
      `${unit === "×" ? fine(value) : short(value)} ${unit}`,
      `${bar} ${unit}`,
      `${aim} ${unit}`,
      verdict,
      bareMicros === undefined ? "" : `${short(bareMicros)} µs`,
    ]),
  );

function baseTable({ bare, redis }: Results): string {
  return table(
    ["base line", "requests/s", "p50 / p99 ms", "CPU µs per request of the server"],
    [
      ...(bare
        ? [
            [
              "bare Bun.serve, 20 bytes of JSON",
              whole(bare.perSecond),
              `${fine(bare.p50Ms)} / ${fine(bare.p99Ms)}`,
              short(bare.cpuMicros),
            ],
          ]
        : []),
      ...redis.map(({ name, perSecond, p50Ms, p99Ms, cpuMicros }) => [
        `redis-benchmark -P 1, ${name}`,
        whole(perSecond),
        `${fine(p50Ms)} / ${fine(p99Ms)}`,
        short(cpuMicros),
      ]),
    ],
  );
}

function growthTable({ growth }: Results): string {
  if (!growth) return "";
  const title = `${whole(growth.sales)} sales, ${whole(growth.winners)} winners`;
  return table(
    ["CPU µs per won grab", "API", "ledger thread", "Redis", "MySQL", "sum", "ready after"],
    [
      ["empty", ...cpuCells(growth.empty), `${whole(growth.emptyStartMs)} ms`],
      [title, ...cpuCells(growth.loaded), `${whole(growth.loadedStartMs)} ms`],
    ],
  );
}

function recoveryTable({ recoveries }: Results): string {
  if (recoveries.length === 0) return "";
  return table(
    ["fault", "grants", "closed", "after Redis", "slowest command", "rebuilt", "voids", "agree"],
    recoveries.map((one) => [
      ...[one.fault, whole(one.grants), `${whole(one.closedMs)} ms`],
      ...[`${whole(one.afterRedisMs)} ms`, `${short(one.slowestMs)} ms, ${one.slowest}`],
      ...[whole(one.salesRebuilt), whole(one.voids), one.agrees ? "yes" : "NO"],
    ]),
  );
}

function cacheTable({ cache }: Results): string {
  if (cache.length === 0) return "";
  const share = (value: number) => `${short(value * 100)} %`;
  return table(
    ["hits with room for 1 % of the things", "W-TinyLFU", "LRU", "best fixed choice"],
    cache.map(({ exponent, scan, own, lru, fixed }) => [
      `Zipf ${fine(exponent)}${scan > 0 ? `, ${share(scan)} asked for once` : ""}`,
      ...[share(own), share(lru), share(fixed)],
    ]),
  );
}

function discountTable({ discounts }: Results): string {
  if (discounts.length === 0) return "";
  return table(
    ["discounts, CPU µs", "coupons", "items", "mean", "dearest order"],
    discounts.map(({ what, shape, coupons, items, micros, worstMicros }) => [
      ...[`${what}: ${shape}`, whole(coupons), whole(items)],
      ...[short(micros), short(worstMicros)],
    ]),
  );
}

function remarks({ figures }: Results): string[] {
  return figures.flatMap((figure) => [
    ...(figure.bytesPerGrant
      ? [
          `Memory, ${nameOf(figure)}: ${short(figure.bytesPerGrant)} bytes per grant over ${whole(figure.grantsInMemory)} grants.`,
        ]
      : []),
    ...(figure.note ? [`${nameOf(figure)}: ${figure.note}.`] : []),
  ]);
}

function eventsTable({ events }: Results): string {
  if (!events) return "";
  const { clients, kilobytesPerClient, growthMegabytes, updates, updateMs, toldMs } = events;
  return table(
    ["one sale's events", ""],
    [
      ["clients of one process", whole(clients)],
      ["memory per client", `${short(kilobytesPerClient)} KB`],
      ["CPU of one update of all", `${short(updateMs)} ms (mean of ${whole(updates)})`],
      ["the same per client", `${short(events.clientMicros)} µs`],
      ["memory grown after all updates", `${short(growthMegabytes)} MB`],
      [
        "CPU while nothing moves, with and without them",
        `${short(events.idleMs)} and ${short(events.emptyMs)} ms per second`,
      ],
      [
        "from a grab's answer until the last client knows",
        `${whole(toldMs.median)} ms (median), ${whole(toldMs.worst)} ms (worst)`,
      ],
    ],
  );
}

/** All tables that there are figures for, as Markdown. */
export function tablesOf(results: Results): string {
  const bars = judge(results);
  const { figures, growth, bare, redis } = results;
  const parts = [
    bars.length > 0 ? barTable(bars) : "",
    bare || redis.length > 0 ? baseTable(results) : "",
    figures.length > 0 ? speedTable(results) : "",
    figures.length > 0 ? cpuTable(results) : "",
    growthTable(results),
    recoveryTable(results),
    cacheTable(results),
    discountTable(results),
    eventsTable(results),
    figures.some(({ audit }) => audit) || growth ? auditTable(results) : "",
    remarks(results).join("\n"),
  ];
  return parts.filter(Boolean).join("\n\n");
}

const METHOD = `The service runs in durable mode (Redis with \`appendfsync always\`), one process, with Redis and the database
on unix sockets, all on the same cores as the load generator (autocannon, in a process of its own). So
requests/s are shared with the generator and with each other; the CPU time per request is what carries over
to another machine. It comes from /proc: "API" is the service's process less the ledger's thread, the
runtime's own threads counted to the API. The ledger's thread, Redis and MySQL are measured until the last
row is written. "others" is how many cores somebody else kept busy meanwhile: where it is not near 0, the
figures are too high. Every scenario has an empty database, an empty Redis and a new process, is warmed up, and is
then measured. The base lines are measured before and after all else, and their mean is given. A machine is not equally
fast all the time: "bare" is what Bun alone took for an answer of 20 bytes just before the scenario was measured. Every grab is another user's (in *lost* each comes twice), every token is new and was signed
before the load began. *won*: stock never ends. *v1 won* and *classic
beside v1*: the same through both APIs by turns of two seconds; the turn in the middle is shown. *lost*: sold out. *mixed*: one sale after the other, each with
stock for one in a hundred of its attempts. *seller list*: 10 sellers of 20 coupons. *own list*: 60,000 users
with 5 coupons each. *sale*: one open sale, \`GET /v1/sales/:id\`. *wallet*: 60,000 users with 3 coupons each,
\`GET /v1/coupons\`. *login*: 16 connections. "numbers" compares, for all sales of a scenario, the 201s that
clients got (warm-up included), what Redis granted and has as recorded, and the rows in the database.`;

/** The text of RESULTS.md. */
export function resultsFile(
  results: Results,
  {
    machine,
    command,
    date,
    minutes,
  }: { machine: Machine; command: string; date: Date; minutes: number },
): string {
  return [
    "# Results of `bun run bench`",
    `${date.toISOString().slice(0, 16).replace("T", " ")} UTC, in ${digits(minutes, 1)} minutes, by: \`${command}\``,
    table(
      ["machine", ""],
      machine.map((pair) => [...pair]),
    ),
    METHOD,
    tablesOf(results),
    ...(results.redis.length > 0
      ? [
          "Commands of the base lines:",
          results.redis.map(({ command: line }) => `- \`${line}\``).join("\n"),
        ]
      : []),
    "",
  ]
    .join("\n\n")
    .trimEnd()
    .concat("\n");
}
