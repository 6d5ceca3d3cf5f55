// Links to Redis and MySQL that a test can break.

import { type FaultProxy, startProxy, type Upstream } from "./proxy.ts";
import { stopLater } from "./servers.ts";

export interface Link {
  /** Leads to the server through the proxy. */
  readonly url: string;
  readonly proxy: FaultProxy;
}

/** Where the server of a `redis://`, `unix://` or `mysql://` URL listens. */
function upstreamOf({ protocol, hostname, port, pathname, searchParams }: URL): Upstream {
  if (protocol === "unix:") return { path: decodeURIComponent(pathname) };
  const path = searchParams.get("socketPath");
  if (path) return { path };
  return { host: hostname, port: Number(port || (protocol === "mysql:" ? 3306 : 6379)) };
}

/** Puts a proxy before the server of this URL; it is closed with everything else of the test file. */
export async function linkTo(url: string): Promise<Link> {
  const direct = new URL(url);
  const proxy = await startProxy(upstreamOf(direct));
  stopLater(() => proxy.close());
  if (direct.protocol === "unix:") return { proxy, url: `redis://127.0.0.1:${proxy.port}` };
  direct.searchParams.delete("socketPath");
  direct.hostname = "127.0.0.1";
  direct.port = String(proxy.port);
  return { proxy, url: direct.href };
}
