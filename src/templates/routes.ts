// /v1/templates: what coupons are worth. For sellers, each their own, and for admins.

import { createRoute, z } from "@hono/zod-openapi";
import { Problem } from "../problem.ts";
import type { Actor } from "../v1/actor.ts";
import { pageOf, pageQuery, pageSchema, placesOf } from "../v1/cursor.ts";
import type { Edge } from "../v1/edge.ts";
import {
  ETAG,
  idParam,
  jsonAnswer,
  jsonBody,
  LOCATION,
  ONCE,
  refusalsOf,
  SIGNED_IN,
  WITH_BODY,
} from "../v1/schemas.ts";
import type { TemplateFacts } from "./facts.ts";
import {
  contentIn,
  newTemplateSchema,
  shown,
  templatePatchSchema,
  templateSchema,
} from "./schema.ts";
import type { TemplateOutcome, Templates } from "./service.ts";

const ROLES = ["seller", "admin"] as const;
const tags = ["templates"];
const params = z.object({ id: idParam });

const createIt = createRoute({
  ...{ method: "post", path: "/v1/templates", tags, summary: "Make a draft of a template" },
  request: jsonBody(newTemplateSchema),
  responses: {
    201: { ...jsonAnswer(templateSchema, "The draft."), headers: { ...ETAG, ...LOCATION } },
    ...refusalsOf(...SIGNED_IN, ...WITH_BODY, ...ONCE, "unavailable"),
  },
});

const listThem = createRoute({
  ...{ method: "get", path: "/v1/templates", tags },
  summary: "List one's own templates, newest first; an admin sees all",
  request: {
    query: z.strictObject({
      ...pageQuery,
      state: z.enum(["draft", "published", "disabled"]).optional(),
    }),
  },
  responses: {
    200: jsonAnswer(pageSchema(templateSchema), "A page."),
    ...refusalsOf(...SIGNED_IN, "validation", "unavailable"),
  },
});

const getOne = createRoute({
  ...{ method: "get", path: "/v1/templates/{id}", tags, summary: "Show a template" },
  request: { params },
  responses: {
    200: { ...jsonAnswer(templateSchema, "The template."), headers: ETAG },
    ...refusalsOf(...SIGNED_IN, "not-found", "unavailable"),
  },
});

const patchOne = createRoute({
  ...{ method: "patch", path: "/v1/templates/{id}", tags },
  summary: "Change a template: a draft in everything, a published one in what hurts no holder",
  request: {
    params,
    headers: z.object({
      "if-match": z.string().optional().openapi({ description: "The ETag it must still have." }),
    }),
    ...jsonBody(templatePatchSchema),
  },
  responses: {
    200: { ...jsonAnswer(templateSchema, "The template as it is now."), headers: ETAG },
    ...refusalsOf(...SIGNED_IN, ...WITH_BODY, "not-found", "template-published"),
    ...refusalsOf("version-mismatch", "unavailable"),
  },
});

const moved = (action: string, summary: string) =>
  createRoute({
    ...{ method: "post", path: `/v1/templates/{id}/${action}`, tags, summary },
    request: { params },
    responses: {
      200: { ...jsonAnswer(templateSchema, "The template as it is now."), headers: ETAG },
      ...refusalsOf(...SIGNED_IN, ...ONCE, "not-found", "template-state", "unavailable"),
    },
  });

/** Whose templates an actor may touch: an admin all. */
const ownerOf = (actor: Actor): number | undefined =>
  actor.kind === "user" && actor.role !== "admin" ? actor.userId : undefined;

/** The template, or the refusal that the outcome stands for. */
function templateOf(outcome: TemplateOutcome): TemplateFacts {
  switch (outcome.kind) {
    case "done":
      return outcome.template;
    case "unknown":
      throw new Problem("not-found");
    case "invalid":
      throw new Problem("validation", { errors: outcome.faults });
    case "frozen":
      throw new Problem("template-published", { errors: outcome.faults });
    case "wrong_state":
      throw new Problem("template-state", {
        detail: `The template is ${outcome.state}.`,
        state: outcome.state,
      });
    case "changed":
      throw new Problem("version-mismatch", { version: outcome.version });
  }
}

const etag = ({ version }: TemplateFacts) => ({ ETag: `"${version}"` });

/** Undefined where there is no If-Match, or one that any version matches. */
function versionIn(header: string | undefined): number | undefined {
  if (header === undefined || header.trim() === "*") return undefined;
  const version = /^"(\d{1,10})"$/.exec(header.trim())?.[1];
  // What is no ETag of ours matches nothing.
  return version === undefined ? -1 : Number(version);
}

export const templateRoutes = ({
  templateStore: templates,
  edge,
}: {
  templateStore: Templates;
  edge: Edge;
}) =>
  edge
    .router()
    .openapi({ ...createIt, middleware: edge.posting(...ROLES) }, async (c) => {
      const actor = c.get("actor");
      if (actor.kind !== "user") throw new Problem("forbidden");
      const content = contentIn(c.req.valid("json"));
      const outcome = await templates.create(actor.userId, content, c.get("requestKey"));
      const template = templateOf(outcome);
      return c.json(shown(template), 201, {
        ...etag(template),
        Location: `/v1/templates/${template.id}`,
      });
    })
    .openapi({ ...listThem, middleware: edge.for(...ROLES) }, async (c) => {
      const { limit, cursor, state } = c.req.valid("query");
      const before = placesOf(cursor, 1)?.[0];
      const found = await templates.list({
        owner: ownerOf(c.get("actor")),
        count: limit + 1,
        ...(state === undefined ? {} : { state }),
        ...(before === undefined ? {} : { before }),
      });
      const { items, nextCursor } = pageOf(found, limit, ({ id }) => [id]);
      return c.json({ items: items.map(shown), nextCursor }, 200);
    })
    .openapi({ ...getOne, middleware: edge.for(...ROLES) }, async (c) => {
      const template = await templates.find(c.req.valid("param").id);
      const owner = ownerOf(c.get("actor"));
      if (!template || (owner !== undefined && template.sellerId !== owner))
        throw new Problem("not-found");
      return c.json(shown(template), 200, etag(template));
    })
    .openapi({ ...patchOne, middleware: edge.changing(...ROLES) }, async (c) => {
      const { id } = c.req.valid("param");
      const version = versionIn(c.req.valid("header")["if-match"]);
      const fields = contentIn(c.req.valid("json"));
      const owner = ownerOf(c.get("actor"));
      const template = templateOf(await templates.change(id, owner, fields, version));
      return c.json(shown(template), 200, etag(template));
    })
    .openapi(
      {
        ...moved("publish", "Publish a draft: from here on it can be sold"),
        middleware: edge.posting(...ROLES),
      },
      async (c) => {
        const outcome = await templates.publish(c.req.valid("param").id, ownerOf(c.get("actor")));
        const template = templateOf(outcome);
        return c.json(shown(template), 200, etag(template));
      },
    )
    .openapi(
      {
        ...moved("disable", "Disable a template: no further sales of it"),
        middleware: edge.posting(...ROLES),
      },
      async (c) => {
        const outcome = await templates.disable(c.req.valid("param").id, ownerOf(c.get("actor")));
        const template = templateOf(outcome);
        return c.json(shown(template), 200, etag(template));
      },
    );
