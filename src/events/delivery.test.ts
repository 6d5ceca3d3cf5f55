import { expect, test } from "bun:test";
import { until } from "../../test/harness/until.ts";
import { EventClient } from "./client.ts";
import { Delivery } from "./delivery.ts";

/** A client, what it was sent, and whether it has left. */
function clientOf(send?: () => void) {
  const seen = { sent: 0, left: 0 };
  const client = new EventClient(() => {
    seen.left += 1;
  });
  client.send = () => {
    seen.sent += 1;
    send?.();
  };
  return { client, seen };
}

test("a client whose stream takes nothing leaves, and the others get their message", async () => {
  const broken = clientOf(() => {
    throw new TypeError("the stream is closed");
  });
  const sound = clientOf();
  const audience = {
    clients: new Set([broken.client, sound.client]),
    message: new Uint8Array([1]),
  };
  const delivery = new Delivery();
  delivery.start(audience);
  await until("the delivery", () => !delivery.isUnderWay(audience));
  expect([broken.seen, sound.seen]).toEqual([
    { sent: 1, left: 1 },
    { sent: 1, left: 0 },
  ]);
});
