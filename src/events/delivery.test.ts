import { expect, test } from "bun:test";
import { until } from "../../test/harness/until.ts";
import { limits } from "../limits.ts";
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

test("a message that is replaced while it is handed out reaches nobody any more", async () => {
  const [older, newer] = [new Uint8Array([1]), new Uint8Array([2])];
  const had: string[] = [];
  const clients = new Set<EventClient>();
  const come = () => {
    const client = new EventClient(() => undefined);
    const place = had.push("") - 1;
    client.send = (bytes) => {
      client.given = bytes;
      had[place] += bytes.join();
    };
    clients.add(client);
    return client;
  };
  const slice = limits.eventClientsPerSlice;
  for (let n = 0; n < slice * 2; n += 1) come();
  const audience = { clients, message: older };
  const delivery = new Delivery();
  // Goes on until its first pause.
  delivery.start(audience);
  audience.message = newer;
  // As whoever comes now is told what is so now.
  come().send(newer);
  delivery.start(audience);
  await until("the delivery", () => !delivery.isUnderWay(audience));
  expect(had.slice(0, slice)).toEqual(Array(slice).fill("12"));
  expect(had.slice(slice)).toEqual(Array(slice + 1).fill("2"));
});
