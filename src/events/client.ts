// One client's stream. What the client does not read waits here, as a list of chunks that all clients share; beyond
// `eventUnsentBytesMax` the stream ends, and the server's idle timeout frees the connection.

import { limits } from "../limits.ts";

export class EventClient {
  readonly stream: ReadableStream<Uint8Array>;
  /** What it was given last, so that it is not given the same again. */
  given: Uint8Array | undefined;
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined;

  /** `onLeft` is called once, however it ends. */
  constructor(private readonly onLeft: (client: EventClient) => void) {
    this.stream = new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          this.#controller = controller;
        },
        cancel: () => this.leave(),
      },
      new ByteLengthQueuingStrategy({ highWaterMark: limits.eventUnsentBytesMax }),
    );
  }

  send(bytes: Uint8Array): void {
    const controller = this.#controller;
    if (!controller) return;
    this.given = bytes;
    if (bytes.length > (controller.desiredSize ?? 0)) this.end();
    else controller.enqueue(bytes);
  }

  /** Ends the stream behind what was sent. */
  end(): void {
    const controller = this.#controller;
    if (!controller) return;
    this.leave();
    try {
      controller.close();
    } catch {
      // The connection has ended the stream already. Nobody would catch this: streams are ended in the background.
    }
  }

  /** The connection is gone; harmless when that is known. */
  leave(): void {
    if (!this.#controller) return;
    this.#controller = undefined;
    this.onLeft(this);
  }
}
