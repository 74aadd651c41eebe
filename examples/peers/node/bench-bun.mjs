// The same server on Bun: unchanged socket.io on @socket.io/bun-engine, whose
// WebSockets are Bun's own.
import { Server as Engine } from "@socket.io/bun-engine";
import { Server } from "socket.io";
import { adapter, options, port, register } from "./contract.mjs";

const engine = new Engine({ path: "/socket.io/", ...options() });
const io = new Server({ serveClient: false, ...(await adapter()) });
io.bind(engine);
register(io);
Bun.serve({ ...engine.handler(), hostname: "127.0.0.1", port });
console.log(`socket.io bench server on Bun: http://127.0.0.1:${port}/socket.io/`);
