// A check that cannot fail proves nothing. Here a tiny service is broken in one way at a time, and the check that is
// there for it must notice; without any fault none of them says a word.

import { afterAll, describe, expect, test } from "bun:test";
import { countChars } from "../../src/text.ts";
import { stopEverything, stopLater } from "../harness/servers.ts";
import { CHECKS, type Check } from "./checks.ts";
import type { OpenApiDocument } from "./document.ts";
import { createPool } from "./pool.ts";
import { reportText } from "./report.ts";
import { type FuzzReport, fuzz } from "./run.ts";

afterAll(stopEverything);

const SECRET = "the secret of this service";
const TOKEN = "good";
const NOTE = {
  type: "object",
  properties: {
    id: { type: "integer", minimum: 1 },
    text: { type: "string", minLength: 1, maxLength: 20 },
    at: { type: "string", format: "date-time" },
    mood: { type: ["string", "null"], enum: ["good", "bad", null] },
  },
  required: ["id", "text", "at", "mood"],
};
const PROBLEM = {
  type: "object",
  properties: { type: { type: "string" }, status: { type: "integer" } },
  required: ["type", "status"],
  additionalProperties: {},
};

const DOCUMENT: OpenApiDocument = {
  openapi: "3.1.0",
  paths: {
    "/v1/notes": {
      post: {
        requestBody: {
          content: {
            "application/json": {
              schema: {
                type: "object",
                properties: {
                  text: {
                    type: "string",
                    minLength: 1,
                    maxLength: 20,
                    pattern: String.raw`^\P{Cc}*$`,
                  },
                  mood: { type: "string", enum: ["good", "bad"] },
                },
                required: ["text"],
                additionalProperties: false,
              },
            },
          },
        },
        responses: {
          201: {
            ...{ description: "", headers: { Location: { required: true } } },
            content: { "application/json": { schema: NOTE } },
          },
          ...Object.fromEntries(
            [400, 401, 413, 415, 422].map((status) => [
              status,
              {
                description: status === 401 ? "`unauthenticated`" : "",
                content: { "application/problem+json": { schema: PROBLEM } },
              },
            ]),
          ),
        },
      },
    },
  },
};

/** What a service may do wrong; everything it does not name is done right. */
interface Faults {
  readonly note?: object;
  readonly noteStatus?: number;
  readonly noteHeaders?: Record<string, string>;
  readonly problem?: (document: Record<string, unknown>) => object;
  readonly problemType?: string;
  readonly notFoundStatus?: number;
  readonly unexplained?: boolean;
  readonly lenient?: boolean;
  readonly anybody?: boolean;
}

const RIGHT = { id: 1, text: "a note", at: "2027-01-01T20:00:00.000Z", mood: null };

const HERE = { Location: "/v1/notes/1" };

/** A service with one route, at a URL of its own. */
function serve(faults: Faults): string {
  const refuse = (status: number, members: object = {}): Response => {
    const document = { type: "/problems/x", status, ...members };
    return new Response(JSON.stringify(faults.problem?.(document) ?? document), {
      status,
      headers: {
        "Content-Type": faults.problemType ?? "application/problem+json",
        ...(status === 405 ? { Allow: "POST" } : {}),
      },
    });
  };
  const fieldErrors = (pointers: string[]) =>
    refuse(422, { type: "/problems/validation", errors: pointers.map((pointer) => ({ pointer })) });
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    async fetch(request) {
      const { pathname } = new URL(request.url);
      if (pathname === "/openapi.json") return Response.json(DOCUMENT);
      if (pathname.startsWith("/problems/"))
        return new Response("", { status: faults.unexplained ? 404 : 200 });
      if (request.method !== "POST") return refuse(faults.notFoundStatus ?? 405);
      if (!faults.anybody && request.headers.get("authorization") !== `Bearer ${TOKEN}`)
        return refuse(401);
      const type = request.headers.get("content-type") ?? "";
      if (type !== "application/json" || request.headers.has("content-encoding"))
        return refuse(415);
      const bytes = await request.bytes();
      if (bytes.length > 65_536) return refuse(413);
      const wrong = wrongIn(bytes);
      if (wrong === undefined) return refuse(400);
      if (wrong.length > 0 && !faults.lenient) return fieldErrors(wrong);
      return Response.json(faults.note ?? RIGHT, {
        status: faults.noteStatus ?? 201,
        headers: faults.noteHeaders ?? HERE,
      });
    },
  });
  stopLater(() => server.stop(true));
  return server.url.origin;
}

/** The pointers of the fields that are wrong; undefined when it is no JSON. */
function wrongIn(bytes: Uint8Array): string[] | undefined {
  let body: unknown;
  try {
    body = JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch {
    return undefined;
  }
  if (typeof body !== "object" || body === null || Array.isArray(body)) return [""];
  const { text, mood, ...others } = body as { text?: unknown; mood?: unknown };
  const isText = typeof text === "string" && /^\P{Cc}{1,20}$/u.test(text) && countChars(text) <= 20;
  return [
    ...(isText ? [] : ["/text"]),
    ...(mood === undefined || mood === "good" || mood === "bad" ? [] : ["/mood"]),
    ...Object.keys(others).map((name) => `/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`),
  ];
}

const run = (faults: Faults): Promise<FuzzReport> =>
  fuzz(
    {
      ...{ url: serve(faults), expired: [], secrets: [SECRET], pool: createPool() },
      askers: [{ name: "somebody", role: "user", token: TOKEN }],
    },
    { seed: "checks", requests: 400 },
  );

const failing: [what: string, check: Check, Faults][] = [
  ["an undocumented status", "status", { noteStatus: 202 }],
  ["a wrong body that is taken", "status", { lenient: true }],
  ["a route that asks nobody who it is", "status", { anybody: true }],
  ["another method that is not refused as one", "status", { notFoundStatus: 404 }],
  ["a 500", "sound", { noteStatus: 500 }],
  ["a 503 without reason", "sound", { noteStatus: 503 }],
  ["a refusal as plain JSON", "problem", { problemType: "application/json" }],
  ["a refusal that says another status", "problem", { problem: (it) => ({ ...it, status: 499 }) }],
  ["a type that is not explained", "problem", { unexplained: true }],
  ["a type that is no page", "problem", { problem: (it) => ({ ...it, type: "about:blank" }) }],
  ["a refusal without its members", "problem", { problem: ({ type }) => ({ type }) }],
  ["a 422 that names no field", "problem", { problem: (it) => ({ ...it, errors: undefined }) }],
  [
    "a 422 that names another field",
    "problem",
    { problem: (it) => ("errors" in it ? { ...it, errors: [{ pointer: "/elsewhere" }] } : it) },
  ],
  ["a field that is not documented", "schema", { note: { ...RIGHT, passwordless: 1 } }],
  ["a field that is missing", "schema", { note: { ...RIGHT, text: undefined } }],
  ["a field of another type", "schema", { note: { ...RIGHT, id: "1" } }],
  ["a number out of its bounds", "schema", { note: { ...RIGHT, id: 0 } }],
  ["a word that is not in the list", "schema", { note: { ...RIGHT, mood: "fair" } }],
  ["a time that is none", "schema", { note: { ...RIGHT, at: "2027-13-01T00:00:00Z" } }],
  ["an answer that is no JSON", "schema", { noteHeaders: { "Content-Type": "text/html" } }],
  ["a header that is missing", "header", { noteHeaders: {} }],
  ["a header that is not documented", "header", { noteHeaders: { ...HERE, ETag: '"1"' } }],
  ["a rate that is not documented", "header", { noteHeaders: { ...HERE, "RateLimit-Limit": "5" } }],
  ["SQL", "secret", { note: { ...RIGHT, text: "select `id` from `users`" } }],
  ["a stack", "secret", { note: { ...RIGHT, text: "at run (/srv/x/a.js:1:2)" } }],
  ["a path", "secret", { note: { ...RIGHT, text: "in /home/me/x" } }],
  ["a driver's message", "secret", { note: { ...RIGHT, text: "ECONNREFUSED" } }],
  ["a password's hash", "secret", { note: { ...RIGHT, text: "$argon2id$v=19" } }],
  ["a secret in a header", "secret", { noteHeaders: { "X-Debug": SECRET } }],
  ["a header that names the software", "secret", { noteHeaders: { Server: "x/1.0" } }],
];

test("a service without a fault passes", async () => {
  const report = await run({});
  expect(reportText(report, "checks")).not.toContain("curl");
  const counts = report.answered.get("POST /v1/notes") ?? new Map<number, number>();
  expect(new Set(counts.keys())).toEqual(new Set([201, 400, 401, 405, 413, 415, 422]));
});

describe("is caught:", () => {
  test.each(failing)("%s", async (_, check, faults) => {
    const { failures } = await run(faults);
    expect(failures.map((failure) => failure.check)).toContain(check);
    expect(failures[0]?.curl).toStartWith("curl -i --path-as-is -X");
  });

  test("and each check has caught something", () => {
    expect([...new Set(failing.map(([, check]) => check))]).toEqual([...CHECKS]);
  });
});

test("a seed draws the same requests again, and tells each kind of failure once", async () => {
  const [first, second] = await Promise.all([run({ lenient: true }), run({ lenient: true })]);
  const shown = (report: FuzzReport) =>
    report.failures.map(({ curl, ...rest }) => ({
      ...rest,
      curl: curl.replace(/:\d{4,5}\//, "/"),
    }));
  expect(shown(first)).toEqual(shown(second));
  expect(first.failures.map(({ check }) => check)).toEqual(["status"]);
  expect(first.failures[0]?.times).toBeGreaterThan(10);
});
