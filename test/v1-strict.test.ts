// What a route does not know is refused, whichever route it is: each one of the OpenAPI document is asked with a query
// parameter and with a field that it does not have.

import { afterAll, beforeAll, expect, test } from "bun:test";
import { type OpenApiDocument, type Operation, operationsOf } from "./fuzz/document.ts";
import { startApi, type TestApi } from "./harness/api.ts";
import { newUser } from "./harness/http.ts";
import { startStores, stopEverything } from "./harness/servers.ts";
import { type V1Answer, type V1Sending, v1 } from "./harness/v1.ts";

/** One that nobody has. */
const CODE = "7K3XQ0M5R8TZB1CDWE9G";
const CHANGES = new Set(["POST", "PUT", "PATCH", "DELETE"]);

let api: TestApi;
let operations: Operation[];
let tokens: string[];

beforeAll(async () => {
  const { settings } = await startStores();
  api = await startApi(settings);
  const users = await Promise.all([newUser(api.url, "seller"), newUser(api.url, "customer")]);
  tokens = users.map(({ token }) => token);
  const { body } = await v1(api.url, "GET /openapi.json");
  operations = operationsOf(body as OpenApiDocument);
});
afterAll(stopEverything);

/** The answer to whoever may ask; none of it names anything that exists. */
async function ask(
  { method, path }: Operation,
  { query = "", ...sending }: V1Sending & { query?: string },
): Promise<V1Answer> {
  const place = path.replaceAll(/\{(\w+)\}/g, (_, name) => (name === "code" ? CODE : "1"));
  const what = `${method} ${place}${query}`;
  const answers = await Promise.all(
    tokens.map((token) => v1(api.url, what, { ...sending, token })),
  );
  const [answer] = answers.filter(({ status }) => status !== 403);
  if (!answer) throw new Error(`${what}: neither seller nor customer may ask`);
  return answer;
}

const fieldsOf = ({ body }: V1Answer): string[] =>
  (body?.errors ?? []).map((error: { pointer?: string; parameter?: string }) =>
    error.pointer === undefined ? error.parameter : error.pointer,
  );

test("every route refuses a query parameter that it does not have", async () => {
  expect(operations.length).toBeGreaterThan(30);
  for (const operation of operations) {
    const answer = await ask(operation, { query: "?nothing=1" });
    const { name } = operation;
    expect([name, answer.status, fieldsOf(answer)]).toEqual([name, 422, ["nothing"]]);
  }
});

test("every route that takes a body refuses a field that it does not have", async () => {
  const taking = operations.filter(({ body }) => body !== undefined);
  expect(taking.length).toBeGreaterThan(10);
  for (const operation of taking) {
    const answer = await ask(operation, { body: { nothing: 1 } });
    const { name } = operation;
    expect([name, answer.status]).toEqual([name, 422]);
    expect([name, ...fieldsOf(answer)]).toContain("/nothing");
  }
});

test("every route that changes something and takes no body refuses one with fields", async () => {
  const bare = operations.filter(({ body, method }) => body === undefined && CHANGES.has(method));
  const methods = new Set(bare.map(({ method }) => method));
  expect([...methods].toSorted()).toEqual(["DELETE", "POST"]);
  for (const operation of bare) {
    const { name } = operation;
    const answer = await ask(operation, { body: { nothing: 1 } });
    expect([name, answer.status, fieldsOf(answer)]).toEqual([name, 422, ["/nothing"]]);
    const other = await ask(operation, { body: "x", headers: { "Content-Type": "text/plain" } });
    expect([name, other.status]).toEqual([name, 415]);
    if (operation.path.endsWith("/logout")) continue;
    for (const body of ["", "{}"])
      expect([name, (await ask(operation, { body })).status]).toEqual([name, 404]);
  }
});

test("every route that changes something says what is wrong with a body before it looks at the query", async () => {
  const headers = { "Content-Type": "text/plain" };
  for (const operation of operations.filter(({ method }) => CHANGES.has(method))) {
    const answer = await ask(operation, { query: "?nothing=1", body: "x", headers });
    expect([operation.name, answer.status]).toEqual([operation.name, 415]);
  }
});
