// The clients, in a process of their own, so that neither the proxies nor the injection of faults can hold up
// what they do. Each is a closed loop: it chooses, asks, writes down what came, thinks, and begins again.

import { createWriteStream } from "node:fs";
import { SaleBook } from "./book.ts";
import { Connection, type Reply } from "./connection.ts";
import type { Attempt, Operation } from "./history.ts";
import type { ClientsOrder, FromClients, ToClients } from "./protocol.ts";
import { Random } from "./random.ts";
import { Requests, userIdOf } from "./requests.ts";

const CLIENTS = 128;
const TIMEOUT_MS = 3_000;
const THINK_MS = 120;
const PROGRESS_MS = 50;
/** Between the first sales, which are refused as long as no gate is open. */
const FIRST_SALES_MS = 20;
const LIST_SHARE = 0.08;
/** A client stays with its process, as behind a load balancer, and asks another one now and then. */
const OTHER_SHARE = 0.15;
const CLOSING_GRABS_MAX = 4_000;

const order = JSON.parse(process.argv[2] ?? "") as ClientsOrder;
const requests = new Requests(order.secret, order.seller, order.seconds);
const book = new SaleBook(new Random(order.seed, "sales"));
const history = createWriteStream(order.historyFile);
const wonStartedAt: number[] = order.ports.map(() => 0);
let fault: number | null = null;
let attempts = 0;
let closing = false;

const tell = (message: FromClients): void => {
  process.send?.(message);
};
const now = (): number => performance.timeOrigin + performance.now();

/** What is asked: everything of an attempt that is known before the answer. */
type Asked = Pick<Attempt, "op" | "user" | "sale" | "api">;

function resultOf(op: Operation, reply: Reply): Pick<Attempt, "status" | "result" | "retryAfter"> {
  if (reply.kind === "none") return { status: 0, result: reply.why };
  const { status, headers, body } = reply;
  if (status < 400) {
    const reason = /\r\ngrab-result: *(\S+)/i.exec(headers)?.[1] ?? "";
    return { status, result: op === "grab" && status === 201 ? "won" : reason };
  }
  const retryAfter = /\r\nretry-after: *\d/i.test(headers);
  return { status, result: /"errMsg":"([^"]*)"/.exec(body)?.[1] ?? body.slice(0, 200), retryAfter };
}

const namesIn = (body: string): string[] =>
  (JSON.parse(body) as { data: { name: string }[] }).data.map(({ name }) => name);

class Client {
  readonly random: Random;
  readonly home: number;
  readonly connections: readonly Connection[];
  #failedAt = Number.NEGATIVE_INFINITY;

  constructor(index: number) {
    this.random = new Random(order.seed, `client ${index}`);
    this.home = index % order.ports.length;
    this.connections = order.ports.map((port) => new Connection(port, TIMEOUT_MS));
  }

  /** Who failed a moment ago is left alone for about a second. */
  #chooseApi(): number {
    const away = now() - this.#failedAt < 1_000 && this.random.chance(0.7);
    if (!away && !this.random.chance(OTHER_SHARE)) return this.home;
    return this.random.integer(0, order.ports.length - 1);
  }

  async #ask(asked: Asked, request: string, more: (body: string) => Partial<Attempt> = () => ({})) {
    const [at, last] = [fault, closing];
    const t0 = now();
    const reply = await (this.connections[asked.api] as Connection).send(request);
    const attempt: Attempt = {
      ...{ t0, t1: now(), ...asked, ...resultOf(asked.op, reply) },
      ...(reply.kind === "answer" && reply.status === 200 ? more(reply.body) : {}),
      fault: at ?? fault,
      ...(last ? { closing: true as const } : {}),
    };
    attempts++;
    history.write(`${JSON.stringify(attempt)}\n`);
    if (attempt.status === 0 && asked.api === this.home) this.#failedAt = attempt.t1;
    return attempt;
  }

  /** True when the answer was definite. */
  async grab(choice: { sale: string; customer: number }): Promise<boolean> {
    const { sale, customer } = choice;
    const api = this.#chooseApi();
    const asked: Asked = { op: "grab", user: userIdOf(customer), sale, api };
    const { t0, status, result } = await this.#ask(asked, await requests.grab(sale, customer));
    const won = status === 201;
    if (won) wonStartedAt[api] = Math.max(wonStartedAt[api] ?? 0, t0);
    if (won || result === "repeated") book.note(choice, "won");
    else if (status === 0 || status >= 500) book.note(choice, "unsure");
    else book.note(choice, result === "sold_out" ? "sold_out" : "other");
    return status === 201 || status === 204;
  }

  /** The first page of a customer's own list. */
  async list(customer: number): Promise<void> {
    const asked: Asked = { op: "list", user: userIdOf(customer), sale: "", api: this.#chooseApi() };
    const request = await requests.list(customer);
    await this.#ask(asked, request, (body) => ({ names: namesIn(body) }));
  }

  async make(): Promise<boolean> {
    const sale = book.takePlanned();
    if (!sale) return false;
    const asked: Asked = { op: "make", user: 0, sale: sale.name, api: this.#chooseApi() };
    const text = await requests.make(sale.name, sale.amount);
    const { status, result } = await this.#ask(asked, text);
    // A repeat of an attempt without an answer finds its own work done.
    if (status === 201 || (status === 400 && result.includes("duplicates"))) book.made(sale);
    else book.notMade(sale);
    return true;
  }

  async step(): Promise<void> {
    if (this.random.chance(0.05) && (await this.make())) return;
    const choice = book.choose(this.random);
    if (!choice) return;
    if (this.random.chance(LIST_SHARE)) await this.list(choice.customer);
    else await this.grab(choice);
  }

  async run(): Promise<void> {
    while (!closing) {
      await this.step();
      await Bun.sleep(this.random.around(THINK_MS));
    }
  }
}

const clients = Array.from({ length: CLIENTS }, (_, index) => new Client(index));

/** Asks once more for everything that was remembered: now each must be told for certain. */
async function close(): Promise<void> {
  const random = new Random(order.seed, "closing");
  const left = random.shuffle(book.remembered()).slice(0, CLOSING_GRABS_MAX);
  const work = async (client: Client): Promise<void> => {
    for (let choice = left.pop(); choice; choice = left.pop()) await client.grab(choice);
    for (const connection of client.connections) connection.close();
  };
  await Promise.all(clients.slice(0, CLIENTS / 4).map(work));
  for (const client of clients) for (const connection of client.connections) connection.close();
  await new Promise<void>((resolve) => history.end(resolve));
}

const { promise: told, resolve: tellEnd } = Promise.withResolvers<void>();
process.on("message", (message: ToClients) => {
  if (message.type === "window") fault = message.fault;
  else tellEnd();
});
const progress = setInterval(() => tell({ type: "progress", attempts, wonStartedAt }), PROGRESS_MS);

while (!book.isFull) {
  if (!(await (clients[0] as Client).make())) break;
  await Bun.sleep(FIRST_SALES_MS);
}
const running = clients.map((client) => client.run());
tell({ type: "begun" });
await told;
closing = true;
await Promise.all(running);
await close();
clearInterval(progress);
tell({ type: "progress", attempts, wonStartedAt });
tell({ type: "closed" });
process.disconnect?.();
