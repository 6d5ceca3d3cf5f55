// A client of server-sent events, and one that can be told to stop reading.

import { connect, type Socket } from "node:net";
import type { SaleEvent } from "../../src/events/message.ts";
import { requestText } from "./raw.ts";
import { stopLater } from "./servers.ts";

export interface Watching {
  readonly status: number;
  readonly headers: Headers;
  /** The data of all events `sale` so far. */
  readonly events: SaleEvent[];
  /** The names of all events so far. */
  readonly names: string[];
  readonly ids: string[];
  /** When each comment came, by `performance.now()`. */
  readonly comments: number[];
  /** When something came last. */
  heardAt(): number;
  /** What `retry` said, milliseconds. */
  retryMs(): number | undefined;
  /** Undefined while the stream is open; then "end", or the error. */
  ended(): string | undefined;
  close(): void;
}

/** Connects to the events of a sale; resolves with the headers of the answer. */
export async function watchSale(
  url: string,
  saleId: number | string,
  headers: Record<string, string> = {},
): Promise<Watching> {
  const leaving = new AbortController();
  const response = await fetch(`${url}/v1/sales/${saleId}/events`, {
    headers,
    signal: leaving.signal,
  });
  const events: SaleEvent[] = [];
  const names: string[] = [];
  const ids: string[] = [];
  const comments: number[] = [];
  let heardAt = performance.now();
  let retryMs: number | undefined;
  let ended: string | undefined;
  function take(block: string): void {
    const fields = new Map<string, string>();
    for (const line of block.split("\n")) {
      if (line.startsWith(":")) comments.push(performance.now());
      else fields.set(...(line.split(/: (.*)/s).slice(0, 2) as [string, string]));
    }
    if (fields.has("retry")) retryMs = Number(fields.get("retry"));
    const [name, id, data] = [fields.get("event"), fields.get("id"), fields.get("data")];
    if (name !== undefined) names.push(name);
    if (id !== undefined) ids.push(id);
    if (name === "sale") events.push(JSON.parse(data ?? "") as SaleEvent);
  }
  const reading = (async () => {
    const decoder = new TextDecoder();
    let rest = "";
    for await (const chunk of response.body ?? []) {
      heardAt = performance.now();
      const blocks = (rest + decoder.decode(chunk, { stream: true })).split("\n\n");
      rest = blocks.pop() ?? "";
      for (const block of blocks) take(block);
    }
  })().then(
    () => {
      ended = "end";
    },
    (error: Error) => {
      ended = error.message;
    },
  );
  const close = () => leaving.abort();
  stopLater(async () => {
    close();
    await reading;
  });
  return {
    ...{ status: response.status, headers: response.headers, events, names, ids, comments, close },
    ...{ heardAt: () => heardAt, retryMs: () => retryMs, ended: () => ended },
  };
}

/** A connection that has asked for something; what is answered is read only when somebody listens. */
export function askRaw(url: string, path: string): Promise<Socket> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname, () => {
      socket.write(requestText(`GET ${path}`, []));
      resolve(socket);
    });
    socket.on("error", reject);
    stopLater(() => Promise.resolve(void socket.destroy()));
  });
}
