// The OpenAPI document as the fuzzer needs it: a list of operations, each with its schemas, references resolved.

/** JSON Schema as zod's generators write it; validate.ts refuses a keyword that it does not know. */
export interface Schema {
  type?: string | string[];
  enum?: unknown[];
  const?: unknown;
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: number;
  exclusiveMaximum?: number;
  multipleOf?: number;
  minLength?: number;
  maxLength?: number;
  pattern?: string;
  format?: string;
  items?: Schema;
  minItems?: number;
  maxItems?: number;
  uniqueItems?: boolean;
  properties?: Record<string, Schema>;
  required?: string[];
  additionalProperties?: boolean | Schema;
  propertyNames?: Schema;
  anyOf?: Schema[];
  oneOf?: Schema[];
  allOf?: Schema[];
  default?: unknown;
  [annotation: string]: unknown;
}

export interface Parameter {
  readonly name: string;
  readonly in: "path" | "query" | "header";
  readonly required: boolean;
  readonly schema: Schema;
}

interface DocumentedAnswer {
  /** By content type; empty for an answer without a body. */
  readonly schemas: ReadonlyMap<string, Schema>;
  /** By name in lower case, whether each answer has it. */
  readonly headers: ReadonlyMap<string, boolean>;
}

export interface Operation {
  /** `POST /v1/sales/{id}/grab` */
  readonly name: string;
  readonly method: string;
  readonly path: string;
  readonly parameters: readonly Parameter[];
  readonly body: Schema | undefined;
  readonly answers: ReadonlyMap<number, DocumentedAnswer>;
  /** All methods that its path may be asked with, also those of a path with a parameter in place of a word. */
  readonly methods: readonly string[];
  /** It refuses who is not signed in. */
  readonly signedIn: boolean;
  /** It keeps its answer under an Idempotency-Key. */
  readonly keepsAnswers: boolean;
}

interface RawOperation {
  parameters?: Parameter[];
  requestBody?: { content: Record<string, { schema: Schema }> };
  responses: Record<
    string,
    | {
        description: string;
        content?: Record<string, { schema?: Schema }>;
        headers?: Record<string, { required?: boolean }>;
      }
    | undefined
  >;
}

export interface OpenApiDocument {
  openapi: string;
  paths: Record<string, Record<string, RawOperation>>;
  components?: { schemas?: Record<string, Schema> };
}

const REFERENCE = "#/components/schemas/";

/** The document with each reference replaced by what it refers to. Throws when one refers to itself. */
function resolved(document: OpenApiDocument): OpenApiDocument {
  const schemas = document.components?.schemas ?? {};
  const resolve = (node: unknown, within: readonly string[]): unknown => {
    if (Array.isArray(node)) return node.map((item) => resolve(item, within));
    if (typeof node !== "object" || node === null) return node;
    const { $ref, ...rest } = node as { $ref?: string };
    const own = Object.fromEntries(
      Object.entries(rest).map(([key, value]) => [key, resolve(value, within)]),
    );
    if ($ref === undefined) return own;
    const name = $ref.slice(REFERENCE.length);
    const target = schemas[name];
    if (!$ref.startsWith(REFERENCE) || !target) throw new Error(`${$ref} refers to nothing`);
    if (within.includes(name)) throw new Error(`${$ref} refers to itself`);
    return { ...(resolve(target, [...within, name]) as object), ...own };
  };
  return { ...document, paths: resolve(document.paths, []) as OpenApiDocument["paths"] };
}

const METHODS = new Set(["get", "put", "post", "delete", "options", "head", "patch", "trace"]);

const methodsOf = (item: object): string[] => Object.keys(item).filter((name) => METHODS.has(name));

/** Whether what `path` stands for fits the pattern of `other` as well: /coupons/lock is a /coupons/{code}. */
function covers(other: string, path: string): boolean {
  const [theirs, steps] = [other.split("/"), path.split("/")];
  const fits = (step: string, at: number) => step.startsWith("{") || step === steps[at];
  return theirs.length === steps.length && theirs.every(fits);
}

/** What a document of OpenAPI 3.1 offers. */
export function operationsOf(document: OpenApiDocument): Operation[] {
  const { paths } = resolved(document);
  return Object.entries(paths).flatMap(([path, item]) => {
    const fitting = Object.entries(paths).filter(([other]) => covers(other, path));
    const methods = methodsOf(Object.assign({}, ...fitting.map(([, one]) => one)));
    return methodsOf(item).map((method) => {
      const { parameters = [], requestBody, responses } = item[method] as RawOperation;
      const answers = new Map(
        Object.entries(responses).map(([status, answer]) => {
          const content = Object.entries(answer?.content ?? {});
          const schemas = new Map(content.map(([type, { schema = {} }]) => [type, schema]));
          const named = Object.entries(answer?.headers ?? {});
          const headers = new Map(
            named.map(([header, { required }]) => [header.toLowerCase(), required === true]),
          );
          return [Number(status), { schemas, headers }];
        }),
      );
      return {
        ...{ name: `${method.toUpperCase()} ${path}`, method: method.toUpperCase(), path },
        parameters: parameters.map((one) => ({ ...one, required: one.required ?? false })),
        body: requestBody?.content["application/json"]?.schema,
        ...{ answers, methods: methods.map((one) => one.toUpperCase()) },
        signedIn: answers.has(401) && /`unauthenticated`/.test(responses[401]?.description ?? ""),
        keepsAnswers: /`idempotency-key-reused`/.test(responses[422]?.description ?? ""),
      };
    });
  });
}
