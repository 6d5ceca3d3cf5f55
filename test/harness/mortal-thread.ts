// The ledger's thread, which dies when the test that started it tells it to.

import "../../src/ledger/thread.ts";

declare const self: Worker;

export type Death = "throws" | "exits";

self.addEventListener("message", ({ data }: MessageEvent<unknown>) => {
  if (data === "throws") {
    // Outside of whoever called us: nobody catches it there.
    setTimeout(() => {
      throw new Error("an error that nobody has thought of");
    });
  }
  if (data === "exits") process.exit(1);
});
