// What must never be seen from outside: how the service is made, and its secrets.

const INSIDE: readonly [what: string, RegExp][] = [
  ["SQL", /\b(?:select\b.{1,400}\bfrom|insert into|update\b.{1,80}\bset|delete from)\b/is],
  ["SQL", /\b(?:ER_[A-Z_]{4,}|sqlState|errno|You have an error in your SQL|Failed query)\b/],
  ["a stack", /\bat [\w.<>$ ]*\(?(?:\/|file:|node:|native:)[^\s)]*:\d+(?::\d+)?/],
  ["a file", /(?:^|[\s"'(=])(?:\/(?:work|home|root|usr|tmp|app|var|opt|etc)\/\w|file:\/\/)/],
  ["a file", /\b(?:node_modules|[\w-]+\.(?:ts|js|lua):\d+)\b/],
  ["a driver", /\b(?:ioredis|mysql2|drizzle|mysqld|mariadb)\b/i],
  ["a driver", /\b(?:ECONN\w+|ETIMEDOUT|EPIPE|WRONGTYPE|NOSCRIPT|ReplyError|ZodError|TypeError)\b/],
  ["a server", /\b(?:redis|mysql|mariadb):\/\//i],
  ["a password's hash", /\$argon2|\$2[aby]\$|passwordHash|password_hash/],
];

const HEADERS = ["server", "x-powered-by", "via", "x-response-time", "x-runtime"];

/** What of the inside a text shows, in words; [] when nothing. `secrets` are texts that must be nowhere. */
export function leaksIn(text: string, headers: Headers, secrets: readonly string[]): string[] {
  const head = [...headers].map(([name, value]) => `${name}: ${value}`).join("\n");
  const all = `${head}\n${text}`;
  const shown = INSIDE.flatMap(([what, pattern]) => {
    const found = pattern.exec(all)?.[0];
    return found === undefined ? [] : [`${what}: ${JSON.stringify(found.slice(0, 120))}`];
  });
  const told = secrets.filter((secret) => all.includes(secret)).map(() => "a secret");
  const named = HEADERS.filter((name) => headers.has(name)).map((name) => `the header ${name}`);
  return [...shown, ...told, ...named];
}
