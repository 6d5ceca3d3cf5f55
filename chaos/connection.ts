// A client's connection that never sends anything twice. HTTP libraries may repeat a request on their own when
// a kept-alive connection is reset; then nobody could tell a second attempt from the first.

import net from "node:net";

export type Reply =
  | {
      readonly kind: "answer";
      readonly status: number;
      readonly headers: string;
      readonly body: string;
    }
  /** No whole answer: whether the request had an effect is not known. */
  | { readonly kind: "none"; readonly why: "timeout" | "reset" | "refused" };

interface Waiting {
  readonly resolve: (reply: Reply) => void;
  readonly late: Timer;
}

/** A whole answer at the start of the text, and undefined as long as some of it is missing. */
function parse(text: string): Reply | undefined {
  const end = text.indexOf("\r\n\r\n");
  if (end < 0) return undefined;
  const headers = text.slice(0, end);
  const length = Number(/\r\ncontent-length: *(\d+)/i.exec(headers)?.[1] ?? 0);
  if (text.length < end + 4 + length) return undefined;
  const body = Buffer.from(text.slice(end + 4, end + 4 + length), "latin1").toString("utf8");
  return { kind: "answer", status: Number(headers.slice(9, 12)), headers, body };
}

/** Keeps one connection to a port, one request at a time, and opens it again when it is needed. */
export class Connection {
  #socket: net.Socket | undefined;
  #text = "";
  #waiting: Waiting | undefined;

  constructor(
    readonly port: number,
    readonly timeoutMs: number,
  ) {}

  /** Sends one request and waits for its answer, at most so long; never rejects. */
  send(request: string): Promise<Reply> {
    return new Promise((resolve) => {
      const late = setTimeout(() => this.#end({ kind: "none", why: "timeout" }), this.timeoutMs);
      this.#waiting = { resolve, late };
      this.#open().write(request);
    });
  }

  close(): void {
    this.#socket?.destroy();
    this.#socket = undefined;
  }

  #open(): net.Socket {
    if (this.#socket) return this.#socket;
    const socket = net.connect({ host: "127.0.0.1", port: this.port, noDelay: true });
    this.#socket = socket;
    this.#text = "";
    let connected = false;
    socket.on("connect", () => {
      connected = true;
    });
    socket.on("data", (data: Buffer) => {
      this.#text += data.toString("latin1");
      const reply = parse(this.#text);
      if (!reply) return;
      this.#text = "";
      this.#settle(reply);
    });
    socket.on("error", () => undefined);
    socket.on("close", () => {
      if (this.#socket === socket)
        this.#end({ kind: "none", why: connected ? "reset" : "refused" });
    });
    return socket;
  }

  /** Whatever comes later on this connection belongs to nobody. */
  #end(reply: Reply): void {
    this.close();
    this.#settle(reply);
  }

  #settle(reply: Reply): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    clearTimeout(waiting?.late);
    waiting?.resolve(reply);
  }
}
