import { expect, test } from "bun:test";
import { tour } from "./tour.ts";

const facts = {
  url: "http://127.0.0.1:20080",
  opsUrl: "http://127.0.0.1:20090",
  dataDir: "/srv/shop/.data",
  durability: "durable",
} as const;

test("says where the service is, how durable it is and where the data is", () => {
  const text = tour({ ...facts, demo: "none" });
  for (const part of [`${facts.url}/docs`, facts.opsUrl, facts.dataDir, "durable:", "Ctrl-C"]) {
    expect(text).toContain(part);
  }
  expect(tour({ ...facts, durability: "fast", demo: "none" })).toContain("may lose");
});

test("shows the demo's passwords at the first start only", () => {
  const first = tour({ ...facts, demo: { seller: "s3ll3r-word", customer: "cust0mer-word" } });
  expect(first).toContain("s3ll3r-word");
  expect(first).toContain('"password":"cust0mer-word"');
  const later = tour({ ...facts, demo: "kept" });
  expect(later).toContain('"password":"PASSWORD"');
});

test.each(["none", "kept"] as const)("what follows the first # is a shell script (%s)", (demo) => {
  const text = tour({ ...facts, demo });
  const script = text.slice(text.indexOf("#"));
  expect(Bun.spawnSync(["sh", "-n", "-c", script]).exitCode).toBe(0);
  expect(script.split("\n").filter((line) => !/^(#|curl|TOKEN=|$)/.test(line))).toEqual([]);
});
