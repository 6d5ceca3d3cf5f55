// The base line: the least that Bun can do for a request. Prints its port.

const server = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  development: false,
  fetch: () =>
    new Response('{"answer":"20bytes"}', { headers: { "Content-Type": "application/json" } }),
});
console.log(server.port);
