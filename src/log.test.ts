import { expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { closeSync, constants, mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const LINES = 5_000;

/** Logs more than anybody takes, says "done" on the other stream, and whenever it is asked logs one line more. */
const PROGRAM = `
  import { createLog } from "${new URL("log.ts", import.meta.url).pathname}";
  const log = createLog("info");
  for (let at = 0; at < ${LINES}; at += 1) log.info({ at, pad: "x".repeat(1_000) }, "line");
  console.error("done");
  process.stdin.on("data", () => log.info("last"));
`;

test("a reader that stands still for long gets whole lines, not all of them, and those that come later", async () => {
  const folder = mkdtempSync(join(tmpdir(), "log-"));
  const path = join(folder, "pipe");
  execFileSync("mkfifo", [path]);
  // A pipe that is open and that nobody reads; one to a child would be read ahead.
  const pipe = openSync(path, constants.O_RDWR);
  try {
    const child = Bun.spawn([process.execPath, "--eval", PROGRAM], {
      ...{ stdin: "pipe", stdout: pipe, stderr: "pipe" },
    });
    const said = child.stderr.getReader();
    expect(new TextDecoder().decode((await said.read()).value)).toBe("done\n");

    const reader = Bun.spawn(["cat", path], { stdout: "pipe" });
    let text = "";
    const decoder = new TextDecoder();
    for await (const chunk of reader.stdout) {
      text += decoder.decode(chunk, { stream: true });
      if (/"msg":"last"\}\n/.test(text)) break;
      // When enough of the lines that it kept are read, the log takes lines again.
      await child.stdin.write("more\n");
      await child.stdin.flush();
    }
    await child.stdin.end();
    child.kill();
    reader.kill();
    await Promise.all([child.exited, reader.exited]);
    const whole = text.slice(0, text.lastIndexOf("\n"));
    const lines = whole.split("\n").map((line) => (JSON.parse(line) as { msg: string }).msg);
    expect(lines.at(-1)).toBe("last");
    expect(lines.length).toBeGreaterThan(50);
    expect(lines.length).toBeLessThan(LINES);
  } finally {
    closeSync(pipe);
    rmSync(folder, { recursive: true });
  }
});
