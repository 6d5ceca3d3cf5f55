// Spans for what the clients of Redis and MySQL are asked.

import { tracingChannel } from "node:diagnostics_channel";
import { type Span, SpanKind, SpanStatusCode, type Tracer } from "@opentelemetry/api";
import { reasonOf } from "../db/errors.ts";
import type { Redis } from "../redis/client.ts";

function failed(span: Span, message: string): void {
  span.setStatus({ code: SpanStatusCode.ERROR, message });
  span.end();
}

/**
 * Names the command only: its arguments are users' data. ioredis has a channel for this as mysql2 has, but says nothing
 * there of commands that it refuses because there is no connection; so the one function is replaced that all commands
 * of a client pass through.
 */
export function traceRedis(tracer: Tracer, client: Redis): void {
  const send = client.sendCommand.bind(client);
  client.sendCommand = (command, ...rest) => {
    const span = tracer.startSpan(`redis ${command.name}`, {
      kind: SpanKind.CLIENT,
      attributes: { "db.system.name": "redis", "db.operation.name": command.name },
    });
    command.promise.then(
      () => span.end(),
      (error: unknown) => failed(span, reasonOf(error)),
    );
    return send(command, ...rest);
  };
}

/** What mysql2 tells of one statement, or of one wait for a connection: the same object from beginning to end. */
interface Told {
  readonly query?: string;
  readonly error?: { readonly code?: string };
}

// Waiting for a connection is all that there is of a statement while MySQL is away.
const CHANNELS = ["mysql2:query", "mysql2:execute", "mysql2:pool:connect"];
const WORD = /^\s*(\w+)/;

/** Of all connections of this thread. Names the statement's first word only: its text has values in it. */
export function traceMysql(tracer: Tracer): void {
  const spans = new WeakMap<object, Span>();
  const taken = (told: object): Span | undefined => {
    const span = spans.get(told);
    spans.delete(told);
    return span;
  };
  for (const name of CHANNELS) {
    tracingChannel<Told, Told>(name).subscribe({
      start(told) {
        const verb = WORD.exec(told.query ?? "CONNECTION")?.[1]?.toUpperCase() ?? "";
        const span = tracer.startSpan(`mysql ${verb}`, {
          kind: SpanKind.CLIENT,
          attributes: { "db.system.name": "mysql", "db.operation.name": verb },
        });
        spans.set(told, span);
      },
      error(told) {
        const span = taken(told);
        // The text of an error such as "Duplicate entry" has values in it, its code has none.
        if (span) failed(span, told.error?.code ?? reasonOf(told.error));
      },
      asyncEnd: (told) => taken(told)?.end(),
    });
  }
}
