// Whom an attempt is counted against. `X-Forwarded-For` is whatever the client wrote, with what each proxy
// added at its end: it is believed from the right, and only as far as the hops are proxies of ours.

import { type BlockList, isIP } from "node:net";

const MAPPED = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i;
const WITH_PORT = /^(?:\[([^\]]+)\]|(\d+\.\d+\.\d+\.\d+))(?::\d+)?$/;
const NOBODY = "unknown";

/** An address without port, brackets, zone and IPv4-in-IPv6 notation; undefined when it is none. */
function bareAddress(text: string): string | undefined {
  const withPort = WITH_PORT.exec(text);
  const [address = ""] = (withPort?.[1] ?? withPort?.[2] ?? text).split("%");
  const bare = MAPPED.exec(address)?.[1] ?? address;
  return isIP(bare) === 0 ? undefined : bare;
}

/** The first 64 bits of an IPv6 address: what one customer of a provider usually gets. */
function network64(address: string): string {
  const [left = "", right] = address.split("::");
  const head = left === "" ? [] : left.split(":");
  const tail = right ? right.split(":") : [];
  // An IPv4 tail such as 64:ff9b::1.2.3.4 takes the room of two groups.
  const width = head.length + tail.length + (address.includes(".") ? 1 : 0);
  const zeros = right === undefined ? [] : Array.from({ length: 8 - width }, () => "0");
  const groups = [...head, ...zeros, ...tail].slice(0, 4);
  return `${groups.map((group) => Number.parseInt(group, 16).toString(16)).join(":")}::/64`;
}

const isTrusted = (address: string, proxies: BlockList): boolean =>
  proxies.check(address, isIP(address) === 6 ? "ipv6" : "ipv4");

/**
 * The address that attempts are counted by: an IPv4 address or the /64 of an IPv6 address. `socket` is the
 * peer's address; `forwarded` is `X-Forwarded-For`, read only when the peer is one of `proxies`. Garbage
 * in it ends the reading: the last hop that was understood answers for it.
 */
export function countedAddress(
  socket: string | undefined,
  forwarded: string | null,
  proxies: BlockList,
): string {
  let address = bareAddress(socket ?? "");
  if (address === undefined) return NOBODY;
  const hops = forwarded?.split(",") ?? [];
  while (isTrusted(address, proxies)) {
    const hop = bareAddress(hops.pop()?.trim() ?? "");
    if (hop === undefined) break;
    address = hop;
  }
  return isIP(address) === 6 ? network64(address) : address;
}
