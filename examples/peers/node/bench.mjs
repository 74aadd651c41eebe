// The Node.js server that examples/bench is compared with: the events of the
// measuring contract on socket.io. It listens on 127.0.0.1:$PORT and, with
// REDIS_URL set, joins a cluster through the classic Redis adapter. PING_INTERVAL
// sets the interval of heartbeats in milliseconds.
import { createServer } from "node:http";
import { Server } from "socket.io";
import { adapter, options, port, register } from "./contract.mjs";

const httpServer = createServer();
const io = new Server(httpServer, { ...options(), serveClient: false, ...(await adapter()) });
register(io);
httpServer.listen(port, "127.0.0.1", () => {
  console.log(`socket.io bench server: http://127.0.0.1:${port}/socket.io/`);
});
