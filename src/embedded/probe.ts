// Asks a server behind a unix socket whether it is there.

import { createConnection } from "node:net";
import { limits } from "../limits.ts";

/** Connects, sends `text`, and gives what comes back first; undefined when nobody answers in time. */
function ask(socketPath: string, text: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = createConnection({ path: socketPath });
    const end = (answer: string | undefined) => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(limits.serverProbeMs, () => end(undefined));
    socket.once("error", () => end(undefined));
    socket.once("connect", () => (text === "" ? end("") : socket.write(text)));
    socket.once("data", (data) => end(data.toString("latin1")));
  });
}

/** True when some process accepts connections there. */
export const listens = async (socketPath: string): Promise<boolean> =>
  (await ask(socketPath, "")) !== undefined;

/** True when Redis answers and has loaded its data. */
export const redisAnswers = async (socketPath: string): Promise<boolean> =>
  (await ask(socketPath, "PING\r\n"))?.startsWith("+PONG") ?? false;
