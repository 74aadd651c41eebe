// The events of the measuring contract (examples/bench), on unchanged socket.io.
import { setTimeout as sleep } from "node:timers/promises";
import { createAdapter } from "@socket.io/redis-adapter";
import { createClient } from "redis";

/** options returns what the environment says about a server. */
export function options() {
  return process.env.PING_INTERVAL ? { pingInterval: Number(process.env.PING_INTERVAL) } : {};
}

/** adapter returns the options for the classic Redis adapter, if REDIS_URL asks for it. */
export async function adapter() {
  if (!process.env.REDIS_URL) return {};
  const publisher = createClient({ url: process.env.REDIS_URL });
  const subscriber = publisher.duplicate();
  await Promise.all([publisher.connect(), subscriber.connect()]);
  return { adapter: createAdapter(publisher, subscriber) };
}

/** register adds the events to every socket of io. */
export function register(io) {
  io.on("connection", (socket) => {
    socket.on("echo", (data, ack) => ack(data));
    socket.on("join", async (room, ack) => {
      await socket.join(room);
      ack();
    });
    socket.on("pub", (room, payload) => {
      io.to(room).emit("msg", payload);
    });
    socket.on("wait", async (milliseconds) => {
      socket.emit("started");
      await sleep(milliseconds);
    });
    socket.on("spin", (microseconds) => {
      const end = performance.now() + microseconds / 1000;
      while (performance.now() < end);
    });
    socket.on("burst", (count, size) => {
      const rest = "b".repeat(size - 8);
      for (let i = 1; i <= count; i++) {
        socket.emit("msg", String(i).padStart(8, "0") + rest);
      }
    });
  });
}

/** port is what the server listens on, on 127.0.0.1. */
export const port = Number(process.env.PORT ?? 3000);

for (const signal of ["SIGINT", "SIGTERM"]) {
  process.once(signal, () => process.exit(0));
}
