// Ports below 32768, out of the range the system gives to outgoing connections.

/** listen binds an HTTP server to 127.0.0.1, to the port given or to a free one, and resolves to the port. */
export async function listen(server, port) {
  if (port) return bind(server, port);
  for (let tries = 0; ; tries++) {
    try {
      return await bind(server, 10_000 + Math.floor(Math.random() * 22_000));
    } catch (err) {
      if (err.code !== "EADDRINUSE" || tries === 50) throw err;
    }
  }
}

function bind(server, port) {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", () => {
      server.off("error", reject);
      resolve(port);
    });
  });
}
