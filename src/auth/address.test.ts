import { describe, expect, test } from "bun:test";
import { BlockList } from "node:net";
import fc from "fast-check";
import { countedAddress } from "./address.ts";

const nobody = new BlockList();
const proxies = new BlockList();
proxies.addSubnet("10.0.0.0", 8, "ipv4");
proxies.addSubnet("fd00::", 8, "ipv6");

describe("attempts are counted by the socket's address", () => {
  test("whatever X-Forwarded-For says, when the peer is no proxy of ours", () => {
    for (const forwarded of [null, "1.2.3.4", "garbage", "10.0.0.1"]) {
      expect(countedAddress("9.9.9.9", forwarded, nobody)).toBe("9.9.9.9");
      expect(countedAddress("9.9.9.9", forwarded, proxies)).toBe("9.9.9.9");
    }
  });

  test("with IPv4 in IPv6 notation as IPv4", () => {
    expect(countedAddress("::ffff:9.9.9.9", null, nobody)).toBe("9.9.9.9");
    expect(countedAddress("::FFFF:10.0.0.1", "1.2.3.4", proxies)).toBe("1.2.3.4");
  });

  test("with IPv6 by its first 64 bits", () => {
    const expected: [string, string][] = [
      ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
      ["2001:0DB8:1:2::ffff", "2001:db8:1:2::/64"],
      ["2001:db8::1", "2001:db8:0:0::/64"],
      ["::1", "0:0:0:0::/64"],
      ["2001:db8:1:2:3::", "2001:db8:1:2::/64"],
      ["fe80::1%eth0", "fe80:0:0:0::/64"],
      ["64:ff9b::1.2.3.4", "64:ff9b:0:0::/64"],
    ];
    for (const [address, network] of expected) {
      expect(countedAddress(address, null, nobody)).toBe(network);
    }
  });

  test("and all peers without one share a count", () => {
    expect(countedAddress(undefined, "1.2.3.4", proxies)).toBe("unknown");
  });
});

describe("behind a proxy of ours, attempts are counted by the last hop that is none", () => {
  test("so that what a client puts in front does not help it", () => {
    expect(countedAddress("10.0.0.1", "1.1.1.1, 2.2.2.2", proxies)).toBe("2.2.2.2");
    expect(countedAddress("10.0.0.1", "1.1.1.1, 2.2.2.2,10.9.9.9 ", proxies)).toBe("2.2.2.2");
    const hundred = Array.from({ length: 100 }, (_, at) => `1.1.1.${at}`).join(",");
    expect(countedAddress("fd00::1", `${hundred}, 2.2.2.2`, proxies)).toBe("2.2.2.2");
  });

  test("with or without a port", () => {
    expect(countedAddress("10.0.0.1", "2.2.2.2:5678", proxies)).toBe("2.2.2.2");
    expect(countedAddress("10.0.0.1", "[2001:db8::1]:443", proxies)).toBe("2001:db8:0:0::/64");
    expect(countedAddress("10.0.0.1", "2001:db8::1", proxies)).toBe("2001:db8:0:0::/64");
  });

  test("and garbage is counted against the proxy that passed it on", () => {
    for (const garbage of ["", "x", "1.2.3", "1.2.3.4.5", "::ffff:999.1.1.1", "1.1.1.1, unknown"]) {
      expect(countedAddress("10.0.0.1", garbage, proxies)).toBe("10.0.0.1");
    }
    expect(countedAddress("10.0.0.1", "x, 10.0.0.2", proxies)).toBe("10.0.0.2");
    expect(countedAddress("10.0.0.1", null, proxies)).toBe("10.0.0.1");
  });

  test("and no header makes it fail", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), fc.ipV6(), (text, address) => {
        expect(countedAddress("10.0.0.1", text, proxies)).toBeString();
        expect(countedAddress(address, text, proxies)).toMatch(
          /^([\da-f]{1,4}:){4}:\/64$|^[\d.]+$/,
        );
      }),
    );
  });
});
