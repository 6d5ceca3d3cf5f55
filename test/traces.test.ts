// Traces, sent to a collector of the test's own.

import { afterAll, beforeAll, expect, test } from "bun:test";
import { SpanStatusCode } from "@opentelemetry/api";
import { sql } from "drizzle-orm";
import { openConnection } from "../src/db/client.ts";
import { nameKeyOf } from "../src/users/name.ts";
import { users } from "../src/users/table.ts";
import { startApi, type TestApi } from "./harness/api.ts";
import { freshName } from "./harness/http.ts";
import { startStores, stopEverything, stopLater } from "./harness/servers.ts";
import { until } from "./harness/until.ts";

interface Span {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly status: { readonly code: number; readonly message?: string };
}

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const CALLER = "b7ad6b7169203331";

const spans: Span[] = [];
let bodies = "";
let api: TestApi;
let databaseUrl = "";

function startCollector(): string {
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    async fetch(request) {
      const text = await request.text();
      bodies += text;
      const { resourceSpans } = JSON.parse(text);
      for (const { scopeSpans } of resourceSpans)
        for (const scope of scopeSpans) spans.push(...scope.spans);
      return Response.json({});
    },
  });
  stopLater(() => server.stop(true));
  return `http://127.0.0.1:${server.port}`;
}

beforeAll(async () => {
  const { settings } = await startStores({ OTEL_EXPORTER_OTLP_ENDPOINT: startCollector() });
  databaseUrl = settings.DATABASE_URL;
  api = await startApi(settings);
});
afterAll(stopEverything);

test("a request is one span under its caller's, with the statements it needed below it", async () => {
  const password = `pass word of ${freshName("traced")}`;
  await fetch(`${api.url}/api/users`, {
    method: "POST",
    headers: { traceparent: `00-${TRACE}-${CALLER}-01` },
    body: JSON.stringify({ username: freshName("traced"), password, kind: "customer" }),
  });
  const request = await until("the span", () =>
    spans.find(({ traceId, name }) => traceId === TRACE && name === "POST /api/users"),
  );
  expect(request.parentSpanId).toBe(CALLER);
  const below = spans.filter(({ parentSpanId }) => parentSpanId === request.spanId);
  expect(below.map(({ name }) => name)).toContain("mysql INSERT");
  expect(below.some(({ name }) => name.startsWith("redis "))).toBe(true);
  // No values: neither the password nor the statement that has its hash.
  expect(bodies).not.toContain(password);
  expect(bodies).not.toContain("argon2");
});

/** The spans of failed statements under a request that begins now, once the request has ended. */
async function failuresOf(username: string, meanwhile: () => Promise<void>): Promise<string[]> {
  const trace = crypto.randomUUID().replaceAll("-", "");
  const answer = fetch(`${api.url}/api/users`, {
    method: "POST",
    headers: { traceparent: `00-${trace}-${CALLER}-01` },
    body: JSON.stringify({ username, password: "correct horse", kind: "customer" }),
  });
  await meanwhile();
  await answer;
  const mine = () => spans.filter(({ traceId }) => traceId === trace);
  await until("the request's span", () => mine().some(({ name }) => name === "POST /api/users"));
  return mine()
    .filter(({ name, status }) => name.startsWith("mysql") && status.code === SpanStatusCode.ERROR)
    .map(({ name, status }) => `${name} ${status.message}`);
}

test("a statement that MySQL refuses, or whose connection is lost, is a span with an error", async () => {
  const other = await openConnection(databaseUrl);
  stopLater(other.close);
  const isWaiting = async (): Promise<number | undefined> => {
    const [rows] = await other.db.execute(sql`SHOW PROCESSLIST`);
    const waiting = (rows as unknown as { Id: number; Info: string | null }[]).find(
      ({ Id, Info }) => Id !== other.threadId && /^insert into `users`/.test(Info ?? ""),
    );
    return waiting?.Id;
  };
  const username = freshName("twice");
  const row = { username, nameKey: nameKeyOf(username), kind: "customer", passwordHash: "-" };
  // Its INSERT waits until it is known whether there is such a user.
  await other.db.execute(sql`BEGIN`);
  await other.db.insert(users).values(row);
  const lost = await failuresOf(username, async () => {
    const id = await until("the statement", isWaiting);
    await other.db.execute(sql.raw(`KILL ${id}`));
  });
  // Servers differ in whether they say a word before they hang up.
  expect(lost).toEqual([expect.stringMatching(/^mysql INSERT \w+$/)]);
  const refused = await failuresOf(username, async () => {
    await until("the statement", isWaiting);
    await other.db.execute(sql`COMMIT`);
  });
  expect(refused).toEqual(["mysql INSERT ER_DUP_ENTRY"]);
  expect(bodies).not.toContain(username);
});

test("what the service still has is sent before it stops", async () => {
  await fetch(`${api.url}/v1/nothing`);
  await api.end("SIGTERM");
  expect(spans.some(({ name }) => name === "GET unmatched")).toBe(true);
});
