import { describe, expect, test } from "bun:test";
import { lookAtSecrets } from "../config.ts";
import { looking, shardsInWords } from "./check.ts";
import { judgeClocks } from "./clocks.ts";
import { fieldsOf } from "./info.ts";
import { judgeBacklog, judgeLetters } from "./ledger.ts";
import { judgeOpenFiles } from "./machine.ts";
import { judgeMemory } from "./memory.ts";
import { judgeBinlog, judgeConnections, judgeIsolation } from "./mysql.ts";
import { judgeClients, judgeRewrite, judgeSpeed } from "./redis.ts";
import { judgeWindow } from "./sale.ts";
import { checkSecrets } from "./secrets.ts";
import { type GateSeen, judgeGates, judgeLeases, type ShardRow } from "./shards.ts";

const GIB = 2 ** 30;
const statesOf = (checks: readonly { state: string }[]) => checks.map(({ state }) => state);

describe("memory", () => {
  const facts = { usedBytes: GIB, limitBytes: 0, machineBytes: 16 * GIB, grantsToCome: 1_000_000 };
  const judge = (changes: Partial<typeof facts>) => judgeMemory("memory", { ...facts, ...changes });

  test("is enough when the sale fits twice into the machine", () => {
    expect(judge({}).state).toBe("ok");
  });

  test("is too little when the grants to come exceed maxmemory", () => {
    expect(judge({ limitBytes: GIB + 100 * 2 ** 20 }).state).toBe("failure");
    expect(judge({ limitBytes: GIB + 200 * 2 ** 20 }).state).toBe("ok");
  });

  test("is too little when they exceed the machine, and tight when a rewrite would", () => {
    expect(judge({ machineBytes: GIB }).state).toBe("failure");
    expect(judge({ machineBytes: 2 * GIB }).state).toBe("warning");
  });

  test("is not guessed at when Redis does not tell the machine's", () => {
    expect(judge({ machineBytes: 0 }).state).toBe("ok");
  });
});

describe("clocks", () => {
  const offset = (name: string, aheadMs: number, errorMs = 1) => ({ name, aheadMs, errorMs });

  test("that differ by no more than the answers took are not called different", () => {
    expect(statesOf(judgeClocks([offset("Redis", 700, 300)]))).toEqual(["ok"]);
    expect(statesOf(judgeClocks([offset("Redis", 700, 100)]))).toEqual(["warning"]);
  });

  test("of the two servers are compared with each other as well", () => {
    const checks = judgeClocks([offset("Redis", 400), offset("MySQL", -400)]);
    expect(statesOf(checks)).toEqual(["ok", "ok", "warning"]);
    expect(checks[2]?.found).toBe("MySQL is 800 ms behind Redis");
  });
});

describe("Redis", () => {
  test("tells of its rewrites in fields that are read by name", () => {
    const info = (text: string) => fieldsOf(`# Persistence\r\n${text}\r\n`);
    const well = "aof_rewrite_in_progress:0\r\naof_last_bgrewrite_status:ok";
    expect(judgeRewrite(info(well)).state).toBe("ok");
    expect(judgeRewrite(info(well.replace(":0", ":1"))).found).toBe("one is in progress");
    expect(judgeRewrite(info(well.replace(":ok", ":err"))).found).toBe("the last one failed");
  });

  test("is slow by the median of its answers, not by one of them", () => {
    expect(judgeSpeed([1, 1, 90], 0).state).toBe("ok");
    expect(judgeSpeed([9, 9, 9], 0).state).toBe("warning");
    expect(judgeSpeed([1, 1, 1], 4).found).toContain("4 delayed fsyncs");
  });

  test("must admit what all processes open", () => {
    const info = new Map([["maxclients", "100"]]);
    expect(judgeClients(info, 5).state).toBe("ok");
    expect(judgeClients(info, 6).state).toBe("failure");
  });
});

describe("MySQL", () => {
  test("is read by either name of its isolation", () => {
    const level = (name: string, value: string) => judgeIsolation(new Map([[name, value]])).state;
    expect(level("transaction_isolation", "READ-COMMITTED")).toBe("ok");
    expect(level("tx_isolation", "READ-COMMITTED")).toBe("ok");
    expect(level("transaction_isolation", "REPEATABLE-READ")).toBe("failure");
  });

  test("has a binlog by rows where it has no other format", () => {
    expect(judgeBinlog(new Map([["log_bin", "ON"]])).state).toBe("ok");
    const mixed = new Map([...[["log_bin", "ON"] as const, ["binlog_format", "MIXED"] as const]]);
    expect(judgeBinlog(mixed).state).toBe("warning");
    expect(judgeBinlog(new Map([["log_bin", "OFF"]])).state).toBe("warning");
  });

  test("must admit what all processes open, and others beside them", () => {
    const allowed = (number: number) => new Map([["max_connections", `${number}`]]);
    expect(judgeConnections(allowed(151), 2).state).toBe("ok");
    expect(judgeConnections(allowed(73), 2).state).toBe("failure");
  });
});

describe("shards", () => {
  const rows: ShardRow[] = Array.from({ length: 16 }, (_, shard) => ({
    ...{ shard, epoch: 3, incarnation: "abc", leaseOwner: "one", expired: 0 },
  }));
  const gates: GateSeen[] = rows.map(() => ({ epoch: "3", state: "open", scripts: true }));
  const changed = <One>(list: readonly One[], at: number, changes: Partial<One>): One[] =>
    list.map((one, i) => (i === at ? { ...one, ...changes } : one));
  const failing = (checks: ReturnType<typeof judgeGates>) =>
    checks.filter(({ state }) => state === "failure").map(({ name }) => name);

  test("are well when Redis has what MySQL knows", () => {
    expect(failing(judgeGates(rows, gates))).toEqual([]);
  });

  test("are told apart by what is wrong with one of them", () => {
    const fault = (gate: Partial<GateSeen>) => failing(judgeGates(rows, changed(gates, 5, gate)));
    expect(fault({ state: "closed" })).toEqual(["gates"]);
    expect(fault({ epoch: "2" })).toEqual(["epochs"]);
    expect(fault({ scripts: false })).toEqual(["scripts"]);
    expect(fault({ state: null, epoch: null, scripts: false })).toHaveLength(3);
    expect(failing(judgeGates(changed(rows, 5, { incarnation: "" }), gates))).toEqual([
      "incarnations",
    ]);
    expect(failing(judgeGates(rows.slice(1), gates.slice(1)))).toEqual(["shards"]);
  });

  test("are recorded only by a living process whose lease has not run out", () => {
    const living = new Set(["one", "two"]);
    expect(statesOf(judgeLeases(rows, living))).toEqual(["ok", "ok"]);
    for (const change of [{ leaseOwner: null }, { expired: 1 }, { leaseOwner: "gone" }]) {
      const checks = judgeLeases(changed(rows, 7, change), living);
      expect(checks[1]?.found).toBe("nobody records shard 7");
    }
    expect(statesOf(judgeLeases(rows, new Set(["one"])))).toEqual(["warning", "ok"]);
    expect(statesOf(judgeLeases(rows, new Set()))).toEqual(["failure"]);
  });

  test("are listed in words", () => {
    expect(shardsInWords([3], 16)).toBe("shard 3");
    expect(shardsInWords([3, 5, 7], 16)).toBe("shards 3, 5 and 7");
    expect(shardsInWords([1, 2], 2)).toBe("all 2 shards");
  });
});

describe("a sale's window", () => {
  const now = Date.parse("2026-06-01T00:00:00Z");
  const state = (opens: string | null, closes: string | null) =>
    judgeWindow(
      "window",
      { opensAt: opens ? new Date(opens) : null, closesAt: closes ? new Date(closes) : null },
      now,
    ).state;

  test("is sensible without ends, and when it lies in the days to come", () => {
    expect(state(null, null)).toBe("ok");
    expect(state("2026-06-02", "2026-06-03")).toBe("ok");
    expect(state("2026-05-30", "2026-06-03")).toBe("ok");
  });

  test("is wrong when it closes before it opens, or when it is over", () => {
    expect(state("2026-06-03", "2026-06-02")).toBe("failure");
    expect(state("2026-06-03", "2026-06-03")).toBe("failure");
    expect(state("2026-05-01", "2026-05-31")).toBe("failure");
  });

  test("is odd when a year is likely to be wrong", () => {
    expect(state("2036-06-01", "2036-06-02")).toBe("warning");
    expect(state("2016-06-01", "2026-06-02")).toBe("warning");
    expect(state("2026-05-31", "2036-06-02")).toBe("warning");
  });
});

describe("dead letters", () => {
  test("of coupons are told apart from those of grants, for a command makes these coupons", () => {
    expect(judgeLetters(0, 0)).toMatchObject([{ state: "ok", found: "none" }]);
    const [grants, coupons] = judgeLetters(2, 3);
    expect([grants?.found, coupons?.found]).toEqual([
      "2: confirmed grants that MySQL would not take",
      "3: grants whose coupons MySQL would not take",
    ]);
    expect(coupons?.advice).toContain("doorbuster coupons repair");
    expect(grants?.advice).toContain("by hand");
    expect(judgeLetters(0, 1)).toMatchObject([
      { state: "failure", found: expect.stringMatching(/^1: grants whose/) },
    ]);
    expect(judgeLetters(1, 0)).toHaveLength(1);
  });
});

test("a secret is weak when it is short, of few letters, or used for two purposes", () => {
  const good = "kd93jf02mSDf9023jfas_dlk2390fjsldkf";
  const seen = (JWT_SECRET: string, CODE_SECRET: string) =>
    statesOf(checkSecrets(lookAtSecrets({}, { JWT_SECRET, CODE_SECRET })));
  expect(seen(good, good.toUpperCase())).toEqual(["ok", "ok"]);
  expect(seen("short", good)).toEqual(["failure", "ok"]);
  expect(seen("abababababababababababababababab", good)).toEqual(["failure", "ok"]);
  expect(seen(good, good)).toEqual(["ok", "failure"]);
  expect(seen("", "")).toEqual(["warning", "warning"]);
  expect(JSON.stringify(checkSecrets(lookAtSecrets({ JWT_SECRET: good }, {})))).not.toContain(good);
});

test("open files must suffice for the connections of all requests in flight", () => {
  expect(judgeOpenFiles(1_024).state).toBe("warning");
  expect(judgeOpenFiles(65_536).state).toBe("ok");
  expect(judgeOpenFiles(Number.POSITIVE_INFINITY).state).toBe("ok");
  expect(judgeOpenFiles(undefined).state).toBe("warning");
});

test("a backlog is worth a warning long before grabs are refused", () => {
  expect(judgeBacklog(500).state).toBe("ok");
  expect(judgeBacklog(500_000).state).toBe("warning");
});

test("a subject that cannot be looked at is a failure with its reason", async () => {
  const checks = await looking("leases", () => Promise.reject(new Error("no such luck")));
  expect(checks).toMatchObject([{ name: "leases", state: "failure", found: "no such luck" }]);
});
