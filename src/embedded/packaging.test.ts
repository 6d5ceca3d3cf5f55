// The files around the service say the same as the service.

import { describe, expect, test } from "bun:test";
import packageJson from "../../package.json" with { type: "json" };
import { readConfig } from "../config.ts";

const read = (path: string) => Bun.file(new URL(`../../${path}`, import.meta.url)).text();

test("the pinned Bun runs these tests, is in the container image, and has its types", async () => {
  const pinned = (await read(".bun-version")).trim();
  expect(Bun.version).toBe(pinned);
  expect(packageJson.devDependencies["bun-types"]).toBe(pinned);
  const images = [...(await read("Dockerfile")).matchAll(/^FROM oven\/bun:([\d.]+)/gm)];
  expect(images.map(([, version]) => version)).toEqual([pinned, pinned]);
});

describe(".env.example", () => {
  test("has every setting, and no other", async () => {
    const known = [...(await read("src/config.ts")).matchAll(/^ {2}([A-Z_]+): \S/gm)];
    expect(known.length).toBeGreaterThan(10);
    const shown = [...(await read(".env.example")).matchAll(/^#([A-Z_]+)=\S* +# \S/gm)];
    expect(shown.map(([, name]) => name)).toEqual(known.map(([, name]) => name));
  });

  test("shows the real defaults", async () => {
    const lines = [...(await read(".env.example")).matchAll(/^#([A-Z_]+)=(\S*)/gm)];
    const needed = {
      REDIS_URL: "unix:///redis.sock",
      DATABASE_URL: "mysql://root@localhost/x",
      JWT_SECRET: "8f2c1e7ab04d4c0f9a6be35d17c2840e",
      CODE_SECRET: "e1a07c94d3b2458fb6120d7e95c8f34a",
    };
    const shown = Object.fromEntries(lines.map(([, name = "", value = ""]) => [name, value]));
    expect(JSON.stringify(readConfig(needed, shown))).toBe(JSON.stringify(readConfig(needed, {})));
  });
});

describe("docker-compose.yml", () => {
  interface Compose {
    services: Record<string, { ports?: string[]; environment?: Record<string, string> }>;
  }
  const load = async () => Bun.YAML.parse(await read("docker-compose.yml")) as Compose;

  test("publishes the API's port only", async () => {
    const { services } = await load();
    expect(Object.values(services).flatMap(({ ports }) => ports ?? [])).toEqual(["20080:20080"]);
  });

  test("demands every secret, and knows no default for one", async () => {
    const text = await read("docker-compose.yml");
    for (const name of ["JWT_SECRET", "CODE_SECRET", "MYSQL_PASSWORD", "REDIS_PASSWORD"]) {
      expect(text).toContain(`\${${name}:?`);
      expect(text).not.toContain(`\${${name}:-`);
    }
  });

  test("gives the service settings that it knows", async () => {
    const known = new Set(
      [...(await read(".env.example")).matchAll(/^#([A-Z_]+)=/gm)].map(([, name]) => name),
    );
    const { services } = await load();
    const given = Object.keys(services.service?.environment ?? {});
    expect(given.filter((name) => !known.has(name))).toEqual([]);
  });
});
