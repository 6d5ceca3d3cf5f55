// Traces, sent to a collector of the test's own.

import { afterAll, beforeAll, expect, test } from "bun:test";
import { startApi, type TestApi } from "./harness/api.ts";
import { freshName } from "./harness/http.ts";
import { freshDatabase, startRedis, stopEverything, stopLater } from "./harness/servers.ts";
import { until } from "./harness/until.ts";

interface Span {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
}

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const CALLER = "b7ad6b7169203331";

const spans: Span[] = [];
let bodies = "";
let api: TestApi;

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
  const [redis, database] = await Promise.all([startRedis(), freshDatabase()]);
  api = await startApi({
    ...{ REDIS_URL: redis.url, DATABASE_URL: database.url },
    OTEL_EXPORTER_OTLP_ENDPOINT: startCollector(),
  });
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

test("what the service still has is sent before it stops", async () => {
  await fetch(`${api.url}/v1/nothing`);
  await api.end("SIGTERM");
  expect(spans.some(({ name }) => name === "GET unmatched")).toBe(true);
});
