// The pages that explain the API: the OpenAPI document, Swagger UI over it with all its files served from here, so
// that it works without the internet, and a page for each kind of refusal.

import { refusals } from "../errors.ts";
import { IDEMPOTENCY_KEY } from "../idempotency/key.ts";
import { Problem } from "../problem.ts";
import type { Edge } from "./edge.ts";

type ShownEdge = Pick<Edge, "once" | "rolesOf">;
type Document = ReturnType<ReturnType<Edge["router"]>["getOpenAPI31Document"]>;
type Operation = NonNullable<NonNullable<Document["paths"]>[string]["get"]>;

const INFO = {
  openapi: "3.1.0",
  info: {
    title: "Doorbuster",
    version: "1.0.0",
    description:
      "Flash sales of coupons. Money is in minor units with an ISO 4217 currency, times are RFC 3339 in UTC. " +
      "Refusals are RFC 9457 problem documents. A POST may carry an `Idempotency-Key`: repeated with the same " +
      "body within 24 hours it gets the same answer, marked `Idempotent-Replayed: true`; what a wrong field was " +
      "answered is not kept. A grab is another matter, and says so itself. Of a field that is in a body twice the " +
      "last one counts.",
  },
  security: [{ bearer: [] }],
};

const KEY_HEADER = {
  in: "header",
  name: "Idempotency-Key",
  required: false,
  description: "1 to 255 printable ASCII characters. A repeat with it gets the first answer.",
  schema: { type: "string", pattern: IDEMPOTENCY_KEY.source },
  example: "b1946ac9-2c2b-4f5b-9b0a-1c4b1c1c1c1c",
} as const;

const REPLAYED_HEADER = {
  "Idempotent-Replayed": {
    description: "`true` on the answer to a repeat.",
    schema: { type: "string" as const, enum: ["true"] },
  },
};
/** What is refused before a key is looked at, or is not kept. */
const NEVER_REPLAYED = new Set(["400", "401", "413", "415", "500", "503"]);

const PAGE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Doorbuster API</title>
<link rel="stylesheet" href="/docs/swagger-ui.css">
<link rel="icon" href="data:,">
</head>
<body>
<div id="api"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
`;

const START = `SwaggerUIBundle({ url: "/openapi.json", dom_id: "#api", validatorUrl: null, deepLinking: true });
`;

// Scripts and styles from here only; Swagger UI sets styles of its own and has its pictures inside.
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'";

const text = (body: string, type: string): Response =>
  new Response(body, {
    headers: {
      "Content-Type": `${type}; charset=utf-8`,
      "Content-Security-Policy": POLICY,
      "X-Content-Type-Options": "nosniff",
    },
  });

const assetOf = (name: string): string =>
  Bun.resolveSync(`swagger-ui-dist/${name}`, import.meta.dir);

const asset = (name: string, type: string): Response =>
  new Response(Bun.file(assetOf(name)), {
    headers: {
      "Content-Type": `${type}; charset=utf-8`,
      "Cache-Control": "public, max-age=86400",
      "X-Content-Type-Options": "nosniff",
    },
  });

const escapeHtml = (plain: string): string =>
  plain.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll("`", "");

function problemPage(code: string): Response {
  const refusal = Object.entries(refusals).find(([slug]) => slug === code)?.[1];
  if (refusal === undefined) throw new Problem("not-found");
  const { status, title, help } = refusal;
  return text(
    `<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>${escapeHtml(title)}</title>` +
      `<h1>${escapeHtml(title)}</h1><p><code>${code}</code>, HTTP status ${status}</p>` +
      `<p>${escapeHtml(help)}</p></html>\n`,
    "text/html",
  );
}

/** The generator writes a pattern's flags behind it; in JSON Schema every pattern is a Unicode one. */
const plainPatterns = (key: string, value: unknown): unknown =>
  key === "pattern" && typeof value === "string" ? value.replace(/\/[dgimsuvy]+$/, "") : value;

/** Adds to an operation what its Idempotency-Key brings along. */
function withKey(operation: Operation): void {
  operation.parameters = [...(operation.parameters ?? []), KEY_HEADER];
  for (const [status, response] of Object.entries(operation.responses ?? {})) {
    if (NEVER_REPLAYED.has(status)) continue;
    response.headers = { ...response.headers, ...REPLAYED_HEADER };
  }
}

/** What the routes say of themselves, and of each whom it is for and whether it takes an Idempotency-Key. */
function documentOf(app: ReturnType<Edge["router"]>, { once, rolesOf }: ShownEdge) {
  const document = app.getOpenAPI31Document(INFO);
  for (const { method, path, handler } of app.routes) {
    const item = document.paths?.[path.replaceAll(/:(\w+)/g, "{$1}")];
    const operation = item?.[method.toLowerCase() as "get"];
    const roles = rolesOf(handler);
    if (!operation) continue;
    if (handler === once) withKey(operation);
    if (roles) {
      const told = [operation.description, `For: ${roles.join(", ")}.`];
      operation.description = told.filter((text) => text !== undefined).join("\n\n");
    }
  }
  return document;
}

/** Adds the pages to the app whose document they show. */
export function addDocs(app: ReturnType<Edge["router"]>, edge: ShownEdge): void {
  app.openAPIRegistry.registerComponent("securitySchemes", "bearer", {
    ...{ type: "http", scheme: "bearer" },
    description: "An access token of POST /v1/auth/login, or a service's key.",
  });
  let document: string | undefined;
  app.get("/openapi.json", () => {
    document ??= JSON.stringify(documentOf(app, edge), plainPatterns);
    return new Response(document, {
      headers: { "Content-Type": "application/json", "X-Content-Type-Options": "nosniff" },
    });
  });
  app.get("/docs", () => text(PAGE, "text/html"));
  app.get("/docs/start.js", () => text(START, "text/javascript"));
  app.get("/docs/swagger-ui.css", () => asset("swagger-ui.css", "text/css"));
  app.get("/docs/swagger-ui-bundle.js", () => asset("swagger-ui-bundle.js", "text/javascript"));
  app.get("/problems/:code", (c) => problemPage(c.req.param("code")));
}
