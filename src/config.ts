// The only file that reads the environment. Settings are parsed once, frozen, and passed in.

import { BlockList, isIP } from "node:net";
import { z } from "zod";
import { codeKeyOf } from "./coupons/code.ts";

const SECRET_BYTES_MIN = 32;
const WELL_KNOWN_WORDS = [
  "secret",
  "changeme",
  "change-me",
  "password",
  "doorbuster",
  "jwt",
  "123456",
  "example",
  "test",
];

/**
 * A secret must have 32 bytes and must not be a well-known word, also not one that is repeated or
 * padded with digits until it is long enough.
 */
function secretProblem(value: string): string | undefined {
  if (Buffer.byteLength(value) < SECRET_BYTES_MIN) {
    return `must have at least ${SECRET_BYTES_MIN} bytes, for example from: openssl rand -base64 48`;
  }
  const bare = value.toLowerCase().replace(/[^a-z0-9]/g, "");
  const rest = WELL_KNOWN_WORDS.reduce(
    (text, word) => text.replaceAll(word.replace("-", ""), ""),
    bare,
  );
  if (/^\d*$/.test(rest)) {
    return "is a well-known word; take one from: openssl rand -base64 48";
  }
  return undefined;
}

const secret = z.string().superRefine((value, issue) => {
  const problem = secretProblem(value);
  if (problem) issue.addIssue({ code: "custom", message: problem });
});

const listOf = (text: string): string[] => text.split(",").map((part) => part.trim());

/** The same of each secret of a list, and that their ids differ: a code must lead back to one of them. */
function secretsProblem(value: string): string | undefined {
  const all = listOf(value);
  const problem = all.map(secretProblem).find(Boolean);
  if (problem && all.length > 1) return `has a secret that ${problem}`;
  if (problem) return problem;
  if (new Set(all.map(codeKeyOf)).size === all.length) return undefined;
  return "has a secret twice, or two that cannot be told apart: draw another with openssl rand -base64 48";
}

const secrets = z.string().superRefine((value, issue) => {
  const problem = secretsProblem(value);
  if (problem) issue.addIssue({ code: "custom", message: problem });
});

const port = z.coerce.number("must be a port number").int().min(0).max(65_535);

const urlOf = (...protocols: string[]) =>
  z
    .string("must be set")
    .refine(
      (value) => protocols.some((protocol) => value.startsWith(protocol)) && URL.canParse(value),
      `must be a URL that starts with ${protocols.join(" or ")}`,
    );

const UNIT_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

const duration = z.string().transform((value, issue) => {
  const match = /^(\d{1,9})(ms|s|m|h|d)?$/.exec(value.trim());
  if (!match) {
    issue.addIssue({
      code: "custom",
      message: "must be a duration such as 0, 90s, 30m, 24h or 7d",
    });
    return z.NEVER;
  }
  return Number(match[1]) * UNIT_MS[(match[2] ?? "ms") as keyof typeof UNIT_MS];
});

/** Addresses and networks whose `X-Forwarded-For` is believed, as a list that can be asked. */
const proxies = z.string().transform((value, issue) => {
  const list = new BlockList();
  for (const item of value
    .split(",")
    .map((part) => part.trim())
    .filter(Boolean)) {
    const [address = "", prefix] = item.split("/");
    const family = isIP(address) === 6 ? "ipv6" : "ipv4";
    const bits = Number(prefix ?? (family === "ipv6" ? 128 : 32));
    if (
      isIP(address) === 0 ||
      !Number.isInteger(bits) ||
      bits < 0 ||
      bits > (family === "ipv6" ? 128 : 32)
    ) {
      issue.addIssue({
        code: "custom",
        message: `has "${item}", which is neither an address nor a network such as 10.0.0.0/8`,
      });
      return z.NEVER;
    }
    list.addSubnet(address, bits, family);
  }
  return list;
});

const LOG_LEVELS = ["fatal", "error", "warn", "info", "debug", "trace", "silent"] as const;

const fields = z.object({
  HOST: z.string().default("0.0.0.0"),
  PORT: port.default(20_080),
  OPS_PORT: port.default(20_090),
  REDIS_URL: urlOf("redis://", "rediss://", "unix://"),
  DATABASE_URL: urlOf("mysql://"),
  JWT_SECRET: secret,
  CODE_SECRET: secrets,
  LEDGER_KEEP: duration.default(0),
  DURABILITY: z.enum(["durable", "fast"], "must be durable or fast").default("durable"),
  CLASSIC_GRAB_STATUS: z.enum(["200", "201"], "must be 200 or 201").default("201"),
  LOG_LEVEL: z.enum(LOG_LEVELS, `must be one of ${LOG_LEVELS.join(", ")}`).default("info"),
  TRUST_PROXY: proxies.default(() => new BlockList()),
  RATE_LIMITS: z.enum(["on", "off"], "must be on or off").default("on"),
  OTEL_EXPORTER_OTLP_ENDPOINT: urlOf("http://", "https://").optional(),
  OTEL_SERVICE_NAME: z.string().default("doorbuster"),
});

const schema = fields.superRefine(({ JWT_SECRET, CODE_SECRET }, issue) => {
  if (!listOf(CODE_SECRET).includes(JWT_SECRET)) return;
  // Whoever learns one of them must not have the other.
  issue.addIssue({ code: "custom", path: ["CODE_SECRET"], message: "is JWT_SECRET once more" });
});

export type Durability = "durable" | "fast";

/** All settings of one process. */
export interface Config {
  readonly host: string;
  readonly port: number;
  readonly opsPort: number;
  readonly redisUrl: string;
  readonly databaseUrl: string;
  readonly jwtSecret: string;
  /** What makes the codes of coupons, newest first. */
  readonly codeSecrets: readonly string[];
  readonly ledgerKeepMs: number;
  readonly durability: Durability;
  readonly classicGrabStatus: 200 | 201;
  readonly logLevel: string;
  readonly trustProxy: BlockList;
  readonly rateLimits: boolean;
  /** Where traces go; undefined is nowhere. */
  readonly traces: { readonly endpoint: string; readonly serviceName: string } | undefined;
}

/** `servers` is what could be read of a faulty environment, so that its servers can be looked at as well. */
export type ConfigResult =
  | { ok: true; config: Config }
  | { ok: false; problems: string[]; servers: ServerSettings };

export interface ServerSettings {
  readonly redisUrl: string | undefined;
  readonly databaseUrl: string | undefined;
  readonly durability: Durability;
}

type Environment = Readonly<Record<string, string | undefined>>;

const setIn = (environment: Environment): Environment =>
  Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== ""));

export interface SecretSeen {
  readonly name: string;
  /** False where the setting is not there at all. */
  readonly given: boolean;
  /** Why it is no good, or undefined; a sentence without the secret. */
  readonly problem: string | undefined;
}

// Less than what a random text of 32 bytes practically ever has, in whatever alphabet it is written.
const SECRET_LETTERS_MIN = 10;

/**
 * What can be said of the secrets without telling them. Stricter than the service, which starts with a secret of
 * few letters.
 */
export function lookAtSecrets(
  defaults: Environment = {},
  environment: Environment = process.env,
): SecretSeen[] {
  const given = { ...defaults, ...setIn(environment) };
  return ["JWT_SECRET", "CODE_SECRET"].map((name) => {
    const value = given[name];
    if (value === undefined) return { name, given: false, problem: undefined };
    const parts = name === "CODE_SECRET" ? listOf(value) : [value];
    const letters = Math.min(...parts.map((part) => new Set(part).size));
    const problem =
      (name === "CODE_SECRET" ? secretsProblem(value) : secretProblem(value)) ??
      (letters < SECRET_LETTERS_MIN ? `has only ${letters} different letters` : undefined) ??
      (name === "CODE_SECRET" && parts.includes(given.JWT_SECRET ?? "")
        ? "is JWT_SECRET once more"
        : undefined);
    return { name, given: true, problem };
  });
}

/** The secrets of coupon codes that the environment names, newest first; undefined where it names none. */
export function namedCodeSecrets(environment: Environment = process.env): string[] | undefined {
  const { CODE_SECRET } = setIn(environment);
  return CODE_SECRET === undefined ? undefined : listOf(CODE_SECRET);
}

/** The servers that the environment names; the embedded launcher starts those that are missing. */
export function namedServers(environment: Environment = process.env): {
  redisUrl: string | undefined;
  databaseUrl: string | undefined;
} {
  const { REDIS_URL, DATABASE_URL } = setIn(environment);
  return { redisUrl: REDIS_URL, databaseUrl: DATABASE_URL };
}

/**
 * Reads the settings from the environment; `defaults` fill what is not set there, and empty values count
 * as not set. Returns every problem at once, one sentence each, so that a deployment is mended in one go.
 */
export function readConfig(
  defaults: Environment = {},
  environment: Environment = process.env,
): ConfigResult {
  const given = { ...defaults, ...setIn(environment) };
  const parsed = schema.safeParse(given);
  if (!parsed.success) {
    const problems = parsed.error.issues.map((issue) => {
      const name = String(issue.path[0]);
      return given[name] === undefined ? `${name} must be set` : `${name} ${issue.message}`;
    });
    const faulty = new Set(parsed.error.issues.map((issue) => String(issue.path[0])));
    const sound = (name: string) => (faulty.has(name) ? undefined : given[name]);
    const servers: ServerSettings = {
      redisUrl: sound("REDIS_URL"),
      databaseUrl: sound("DATABASE_URL"),
      durability: sound("DURABILITY") === "fast" ? "fast" : "durable",
    };
    return { ok: false, problems, servers };
  }
  const value = parsed.data;
  return {
    ok: true,
    config: Object.freeze({
      host: value.HOST,
      port: value.PORT,
      opsPort: value.OPS_PORT,
      redisUrl: value.REDIS_URL,
      databaseUrl: value.DATABASE_URL,
      jwtSecret: value.JWT_SECRET,
      codeSecrets: Object.freeze(listOf(value.CODE_SECRET)),
      ledgerKeepMs: value.LEDGER_KEEP,
      durability: value.DURABILITY,
      classicGrabStatus: value.CLASSIC_GRAB_STATUS === "200" ? 200 : 201,
      logLevel: value.LOG_LEVEL,
      trustProxy: value.TRUST_PROXY,
      rateLimits: value.RATE_LIMITS === "on",
      traces: value.OTEL_EXPORTER_OTLP_ENDPOINT
        ? {
            endpoint: value.OTEL_EXPORTER_OTLP_ENDPOINT,
            serviceName: value.OTEL_SERVICE_NAME,
          }
        : undefined,
    }),
  };
}
