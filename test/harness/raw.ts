// Requests as bytes, for what no well-behaved client sends and for what a client's library hides.

import { connect } from "node:net";

/** How long a server may take to answer and to close, in milliseconds. */
const PATIENCE_MS = 8_000;

/**
 * Writes bytes to a server and gives back everything it answers until it closes the connection, or until
 * `enough` is content. "" means that it closed without a word.
 */
export function talk(
  url: string,
  bytes: string | Uint8Array,
  enough: (answer: string) => boolean = isComplete,
): Promise<string> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname, () => socket.write(bytes));
    let answer = "";
    const late = setTimeout(() => {
      socket.destroy();
      reject(new Error(`no complete answer in ${PATIENCE_MS} ms; so far: ${answer.slice(0, 300)}`));
    }, PATIENCE_MS);
    const done = () => {
      clearTimeout(late);
      socket.destroy();
      resolve(answer);
    };
    socket.on("data", (data) => {
      answer += data.toString("latin1");
      if (enough(answer)) done();
    });
    socket.on("close", done);
    // A server that hangs up on bytes it does not want may reset the connection.
    socket.on("error", done);
  });
}

/** True when headers and a body of the announced length are there. */
function isComplete(answer: string): boolean {
  const end = answer.indexOf("\r\n\r\n");
  if (end < 0) return false;
  const length = Number(/\r\ncontent-length: *(\d+)/i.exec(answer.slice(0, end))?.[1] ?? 0);
  return answer.length >= end + 4 + length;
}

/** A request with these header lines, and a Host. */
export const requestText = (line: string, headers: readonly string[], body = ""): string =>
  [`${line} HTTP/1.1`, "Host: test", ...headers, "", body].join("\r\n");

/** The status of an answer; undefined when there is none. */
export const statusOf = (answer: string): number | undefined =>
  Number(/^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1]) || undefined;
