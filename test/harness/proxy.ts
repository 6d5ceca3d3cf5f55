// A TCP proxy that breaks links on demand, in front of Redis, MySQL or the API. It listens on 127.0.0.1 and passes
// everything on to a unix socket or a port, until it is told otherwise.

import net from "node:net";

/** Where the real server listens. */
export type Upstream = { path: string } | { host: string; port: number };

export interface FaultProxy {
  readonly port: number;
  /** Passes on again, without delay, and accepts new connections. */
  heal(): void;
  /** Resets every connection, and each new one at once, until healed. */
  cut(): void;
  /** Resets the connections there are, and passes new ones on to this server: a failover. */
  switchTo(upstream: Upstream): void;
  /** Resets the connections there are; new ones are fine. */
  reset(): void;
  /** Half-open: connections stay and new ones are accepted, and nothing comes through in either direction. */
  freeze(): void;
  /** Freezes when a client sends this text, which then does not come through; resolves at that moment. */
  freezeAt(text: string): Promise<void>;
  /** Half-open for good: nothing comes through the connections there are; new ones are fine. */
  silence(): void;
  /** Delays what comes through by so many milliseconds in each direction, in order. */
  slow(milliseconds: number): void;
  /** Passes so many more bytes of answers on each connection, then resets it; healed or not. */
  limitAnswers(bytes: number): void;
  /** Passes on in pieces of at most so many bytes. */
  slice(bytes: number): void;
  /** Resets everything and stops listening. */
  close(): Promise<void>;
}

interface Link {
  readonly client: net.Socket;
  readonly server: net.Socket;
  answersLeft: number;
  silent: boolean;
}

class Breaker {
  mode: "pass" | "cut" | "freeze" = "pass";
  delayMs = 0;
  pieceBytes = Number.POSITIVE_INFINITY;
  readonly links = new Set<Link>();
  readonly #waiting: (() => void)[] = [];
  answersMax = Number.POSITIVE_INFINITY;
  trap: { text: string; sprung: () => void } | undefined;

  /** Runs in order once nothing is frozen any more. */
  whenPassing(work: () => void): void {
    if (this.mode === "freeze") this.#waiting.push(work);
    else work();
  }

  thaw(): void {
    for (let work = this.#waiting.shift(); work; work = this.#waiting.shift()) work();
  }

  drop(link: Link): void {
    if (!this.links.delete(link)) return;
    link.client.resetAndDestroy();
    link.server.resetAndDestroy();
  }

  /** Freezes if this is what is waited for. */
  lookAt(data: Buffer): void {
    if (!this.trap || !data.includes(this.trap.text)) return;
    this.mode = "freeze";
    this.trap.sprung();
    this.trap = undefined;
  }

  dropAll(): void {
    for (const link of [...this.links]) this.drop(link);
  }
}

function carry(breaker: Breaker, link: Link, from: net.Socket, to: net.Socket): void {
  const answers = from === link.server;
  const pass = (data: Buffer) => {
    if (!breaker.links.has(link) || link.silent || to.destroyed) return;
    for (let at = 0; at < data.length; at += breaker.pieceBytes) {
      const piece = data.subarray(at, at + breaker.pieceBytes);
      if (answers && piece.length > link.answersLeft) {
        to.write(piece.subarray(0, link.answersLeft), () => breaker.drop(link));
        // What comes before the reset must not follow the gap.
        link.silent = true;
        return;
      }
      if (answers) link.answersLeft -= piece.length;
      if (!to.write(piece)) {
        from.pause();
        to.once("drain", () => from.resume());
      }
    }
  };
  // Whatever is delayed goes first, also when what comes after it is not delayed any more: TCP keeps the order,
  // and a client that is given the answers in another order takes them for those of other questions.
  const delayed: Buffer[] = [];
  const passDelayed = () => {
    const data = delayed.shift();
    if (data) pass(data);
  };
  from.on("data", (data: Buffer) => {
    if (!answers) breaker.lookAt(data);
    if (breaker.delayMs === 0 && delayed.length === 0) {
      breaker.whenPassing(() => pass(data));
      return;
    }
    delayed.push(data);
    setTimeout(() => breaker.whenPassing(passDelayed), breaker.delayMs);
  });
  from.on("error", () => breaker.drop(link));
  // That one side is gone the other does not hear either where nothing comes through any more.
  from.on("close", () => {
    breaker.whenPassing(() => {
      if (!link.silent) breaker.drop(link);
    });
  });
}

/** Starts a proxy on a free port. */
export async function startProxy(upstream: Upstream): Promise<FaultProxy> {
  const breaker = new Breaker();
  let at = upstream;
  const listener = net.createServer({ noDelay: true }, (client) => {
    client.on("error", () => undefined);
    if (breaker.mode === "cut") {
      client.resetAndDestroy();
      return;
    }
    const server = net.connect({ ...at, noDelay: true });
    const link: Link = { client, server, answersLeft: breaker.answersMax, silent: false };
    breaker.links.add(link);
    carry(breaker, link, client, server);
    carry(breaker, link, server, client);
  });
  await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
  const { port } = listener.address() as net.AddressInfo;
  return {
    port,
    heal() {
      breaker.mode = "pass";
      breaker.delayMs = 0;
      breaker.pieceBytes = Number.POSITIVE_INFINITY;
      breaker.answersMax = Number.POSITIVE_INFINITY;
      for (const link of breaker.links) link.answersLeft = Number.POSITIVE_INFINITY;
      breaker.thaw();
    },
    cut() {
      breaker.mode = "cut";
      breaker.dropAll();
      breaker.thaw();
    },
    switchTo(next) {
      at = next;
      breaker.dropAll();
    },
    reset: () => breaker.dropAll(),
    freeze() {
      breaker.mode = "freeze";
    },
    freezeAt: (text) =>
      new Promise((sprung) => {
        breaker.trap = { text, sprung };
      }),
    silence() {
      for (const link of breaker.links) link.silent = true;
    },
    slow(milliseconds) {
      breaker.delayMs = milliseconds;
    },
    limitAnswers(bytes) {
      breaker.answersMax = bytes;
      for (const link of breaker.links) link.answersLeft = bytes;
    },
    slice(bytes) {
      breaker.pieceBytes = bytes;
    },
    close() {
      breaker.mode = "cut";
      breaker.dropAll();
      breaker.thaw();
      return new Promise((resolve) => listener.close(() => resolve()));
    },
  };
}
