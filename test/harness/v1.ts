// A client of /v1.

export interface V1Answer {
  readonly status: number;
  readonly headers: Headers;
  /** The JSON of the body, whatever it stands for; undefined when there is none. */
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape.
  readonly body: any; // oxlint-disable-line typescript/no-explicit-any
}

export interface V1Sending {
  /** Access token or service key. */
  readonly token?: string | undefined;
  /** An object is sent as JSON; text is sent as it is, as JSON too. */
  readonly body?: object | string;
  /** Idempotency-Key. */
  readonly key?: string;
  readonly headers?: Record<string, string>;
}

/** One request: `await v1(api.url, "POST /v1/templates", { token, body })`. */
export async function v1(url: string, what: string, sending: V1Sending = {}): Promise<V1Answer> {
  const [method = "", path = ""] = what.split(" ");
  const { token, body, key, headers = {} } = sending;
  const response = await fetch(url + path, {
    method,
    redirect: "manual",
    headers: {
      ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }),
      ...(body === undefined ? {} : { "Content-Type": "application/json" }),
      ...(key === undefined ? {} : { "Idempotency-Key": key }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  const isJson = /json/.test(response.headers.get("content-type") ?? "");
  const { status } = response;
  return { status, headers: response.headers, body: isJson ? JSON.parse(text) : text || undefined };
}
