import { expect, test } from "bun:test";

const LINES = 5_000;

/** Logs more than anybody takes, says "done" on the other stream, and once it is read logs one line more. */
const PROGRAM = `
  import { createLog } from "${new URL("log.ts", import.meta.url).pathname}";
  const log = createLog("info");
  for (let at = 0; at < ${LINES}; at += 1) log.info({ at, pad: "x".repeat(1_000) }, "line");
  console.error("done");
  process.stdin.on("data", () => log.info("last"));
`;

test("a reader that stands still for long gets whole lines, not all of them, and those that come later", async () => {
  const child = Bun.spawn([process.execPath, "--eval", PROGRAM], {
    ...{ stdin: "pipe", stdout: "pipe", stderr: "pipe" },
  });
  const said = child.stderr.getReader();
  expect(new TextDecoder().decode((await said.read()).value)).toBe("done\n");

  let text = "";
  const decoder = new TextDecoder();
  for await (const chunk of child.stdout) {
    const asked = text.includes('"msg":"last"');
    text += decoder.decode(chunk, { stream: true });
    if (asked) continue;
    // When enough of the lines that it kept are read, the log takes lines again.
    if (text.includes('"msg":"last"')) await child.stdin.end();
    else {
      await child.stdin.write("more\n");
      await child.stdin.flush();
    }
  }
  const lines = text
    .trimEnd()
    .split("\n")
    .map((line) => (JSON.parse(line) as { msg: string }).msg);
  expect(lines.at(-1)).toBe("last");
  expect(lines.length).toBeGreaterThan(500);
  expect(lines.length).toBeLessThan(LINES);
});
