// The reference server that examples/bench is compared with: the same three
// events on socket.io. It listens on 127.0.0.1:$PORT and, with REDIS_URL set,
// joins a cluster through the classic Redis adapter. PING_INTERVAL sets the
// interval of heartbeats in milliseconds.
import { createServer } from "node:http";
import { createAdapter } from "@socket.io/redis-adapter";
import { createClient } from "redis";
import { Server } from "socket.io";

const options = { serveClient: false };

if (process.env.PING_INTERVAL) {
  options.pingInterval = Number(process.env.PING_INTERVAL);
}

if (process.env.REDIS_URL) {
  const publisher = createClient({ url: process.env.REDIS_URL });
  const subscriber = publisher.duplicate();
  await Promise.all([publisher.connect(), subscriber.connect()]);
  options.adapter = createAdapter(publisher, subscriber);
}

const httpServer = createServer();
const io = new Server(httpServer, options);

io.on("connection", (socket) => {
  socket.on("echo", (data, ack) => ack(data));
  socket.on("join", async (room, ack) => {
    await socket.join(room);
    ack();
  });
  socket.on("pub", (room, payload) => {
    io.to(room).emit("msg", payload);
  });
});

for (const signal of ["SIGINT", "SIGTERM"]) {
  process.once(signal, () => process.exit(0));
}

const port = Number(process.env.PORT ?? 3000);
httpServer.listen(port, "127.0.0.1", () => {
  console.log(`socket.io bench server: http://127.0.0.1:${port}/socket.io/`);
});
