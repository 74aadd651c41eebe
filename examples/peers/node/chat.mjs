// The twin of examples/chat on the Node.js server: the same page, the same events, so that both can serve one chat through Redis.
//
//   PORT=3001 REDIS_URL=redis://127.0.0.1:6379 node chat.mjs
import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import http from "node:http";
import { createAdapter } from "@socket.io/redis-adapter";
import { createClient } from "redis";
import { Server } from "socket.io";

const keep = 50; // messages remembered for those who join a room later
const maxRooms = 1000; // rooms remembered
const pages = new URL("../../chat/web/", import.meta.url);
const client = new URL("node_modules/socket.io-client/dist/", import.meta.url);
const files = {
  "/": [new URL("index.html", pages), "text/html; charset=utf-8"],
  "/style.css": [new URL("style.css", pages), "text/css; charset=utf-8"],
  "/chat.js": [new URL("chat.js", pages), "text/javascript; charset=utf-8"],
  "/client/socket.io.esm.min.js": [new URL("socket.io.esm.min.js", client), "text/javascript; charset=utf-8"],
};

async function page(req, res) {
  const file = files[new URL(req.url, "http://chat").pathname];
  if (!file) return res.writeHead(404).end();
  res.writeHead(200, { "content-type": file[1] }).end(await readFile(file[0]));
}

function valid(text, max) {
  return typeof text === "string" && text.trim() !== "" && [...text].length <= max;
}

const refused = (message) => ({ error: { message } });
const member = (s) => ({ id: s.id, name: s.data.name });

/** serve adds the chat to a Socket.IO server, which may be one of several. */
function serve(io, clustered) {
  const history = new Map();
  const remember = (m) => {
    const list = history.get(m.room) ?? [];
    history.delete(m.room); // the room spoken in last comes last
    history.set(m.room, [...list.slice(1 - keep), m]);
    if (history.size > maxRooms) history.delete(history.keys().next().value);
  };
  io.on("said", remember);

  io.use((s, next) => {
    const { name } = s.handshake.auth;
    if (!valid(name, 32)) return next(new Error("a name has 1 to 32 characters"));
    s.data.name = name.trim();
    next();
  });

  io.on("connection", (s) => {
    const leave = () => {
      if (!s.data.room) return;
      s.to(s.data.room).emit("left", member(s));
      s.leave(s.data.room);
      s.data.room = "";
    };
    s.on("join", async (room, ack) => {
      if (!valid(room, 32)) return ack(refused("a room has 1 to 32 characters"));
      if (room !== s.data.room) {
        leave();
        s.join(room);
        s.data.room = room;
        s.to(room).emit("joined", member(s));
      }
      const members = (await io.in(room).fetchSockets()).map(member);
      ack({ members, history: history.get(room) ?? [] });
    });
    s.on("message", (text, ack) => {
      if (!valid(text, 2000)) return ack(refused("a message has 1 to 2000 characters"));
      if (!s.data.room) return ack(refused("join a room first"));
      const m = { id: randomUUID(), room: s.data.room, from: member(s), text, at: new Date() };
      remember(m);
      if (clustered) io.serverSideEmit("said", m);
      io.to(m.room).emit("message", m);
      ack(m);
    });
    s.on("typing", () => {
      if (s.data.room) s.to(s.data.room).volatile.emit("typing", member(s));
    });
    s.on("disconnecting", leave);
  });
}

/** startChat runs the chat on a port of 127.0.0.1, with the Redis adapter when redis is a URL, and resolves to a function that ends it. */
export async function startChat({ port, redis }) {
  const clients = [];
  if (redis) {
    clients.push(createClient({ url: redis }));
    clients.push(clients[0].duplicate());
    for (const c of clients) c.on("error", (err) => console.error("redis:", err.message));
    await Promise.all(clients.map((c) => c.connect()));
  }
  const server = http.createServer(page);
  const io = new Server(server, redis ? { adapter: createAdapter(...clients) } : {});
  serve(io, Boolean(redis));
  await new Promise((done) => server.listen(port, "127.0.0.1", done));
  return async () => {
    await io.close();
    for (const c of clients) c.destroy();
  };
}

if (process.argv[1] === import.meta.filename) {
  const port = Number(process.env.PORT ?? 3001);
  await startChat({ port, redis: process.env.REDIS_URL });
  console.log(`chat (Node.js) on http://127.0.0.1:${port}`);
}
