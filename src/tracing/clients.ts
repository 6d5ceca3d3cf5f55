// Spans for what the clients of Redis and MySQL are asked. Neither client has a place for this, so the one function
// is replaced that all commands of a client pass through.

import { type Span, SpanKind, SpanStatusCode, type Tracer } from "@opentelemetry/api";
import { reasonOf } from "../db/errors.ts";
import type { Redis } from "../redis/client.ts";

function failed(span: Span, error: unknown): void {
  span.setStatus({ code: SpanStatusCode.ERROR, message: reasonOf(error) });
  span.end();
}

/** Names the command only: its arguments are users' data. */
export function traceRedis(tracer: Tracer, client: Redis): void {
  const send = client.sendCommand.bind(client);
  client.sendCommand = (command, ...rest) => {
    const span = tracer.startSpan(`redis ${command.name}`, {
      kind: SpanKind.CLIENT,
      attributes: { "db.system.name": "redis", "db.operation.name": command.name },
    });
    command.promise.then(
      () => span.end(),
      (error: unknown) => failed(span, error),
    );
    return send(command, ...rest);
  };
}

/** A statement on its way, as mysql2 has it. */
interface Command {
  readonly sql?: string;
  once(event: "end", listener: () => void): unknown;
  once(event: "error", listener: (error: unknown) => void): unknown;
}

interface Connection {
  addCommand(command: Command): unknown;
}

const WORD = /^\s*(\w+)/;

/** `pool` is mysql2's own, which tells of each connection it opens. */
export function traceMysql(tracer: Tracer, pool: object): void {
  const opening = pool as {
    on(event: "connection", listener: (connection: Connection) => void): unknown;
  };
  opening.on("connection", (connection) => {
    const add = connection.addCommand.bind(connection);
    connection.addCommand = (command) => {
      const verb = WORD.exec(command.sql ?? "")?.[1]?.toUpperCase();
      if (verb !== undefined) {
        const span = tracer.startSpan(`mysql ${verb}`, {
          kind: SpanKind.CLIENT,
          attributes: { "db.system.name": "mysql", "db.operation.name": verb },
        });
        command.once("end", () => span.end());
        command.once("error", (error) => failed(span, error));
      }
      return add(command);
    };
  });
}
