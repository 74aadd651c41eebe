// What a Node.js process of a cluster does: it is run once, and ctx.node is called afterwards.

const node = (ctx.node = { from: new Set(), told: { Sent: 0, At: [], Got: [], Errors: {} }, halt() {} });

/** note counts an error that the application is told of. */
const note = (prefix) => (err) => {
  const text = prefix + (err?.message || err?.code || String(err)).replace(/127\.0\.0\.1:\d+/g, "redis");
  node.told.Errors[text] = (node.told.Errors[text] ?? 0) + 1;
};
process.on("unhandledRejection", note("unhandled: "));
process.on("uncaughtException", note("uncaught: "));

const split = (addr) => ({ host: addr.split(":")[0], port: Number(addr.split(":")[1]) });

/** nodeRedis makes a client of the package redis. */
function nodeRedis({ mode, addrs, master, user, password }) {
  const login = user ? { username: user, password } : {};
  if (mode === "sentinel") return createSentinel({ name: master, sentinelRootNodes: addrs.map(split), nodeClientOptions: login });
  if (mode === "cluster") return createCluster({ rootNodes: addrs.map((a) => ({ url: "redis://" + a })), defaults: login });
  return createClient({ url: "redis://" + addrs[0], ...login });
}

/** ioRedis makes a client of the package ioredis. */
function ioRedis({ mode, addrs, master, user, password }) {
  const login = user ? { username: user, password } : {};
  if (mode === "sentinel") return new Redis({ sentinels: addrs.map(split), name: master, ...login });
  if (mode === "cluster") return new RedisCluster(addrs.map(split), { redisOptions: login });
  return new Redis({ ...split(addrs[0]), ...login });
}

/** pair makes the two clients that the adapter needs. */
async function pair(link) {
  const make = link.package === "redis" ? nodeRedis : ioRedis;
  const clients = [make(link), make(link)];
  for (const c of clients) c.on("error", note("error event: "));
  if (make === nodeRedis) await Promise.all(clients.map((c) => c.connect()));
  return clients;
}

node.listen = async (link) => {
  node.name = link.name;
  const server = http.createServer();
  node.io = new SocketServer(server, { adapter: createAdapter(...(await pair(link))) });
  const port = await listen(server);
  const client = await connect(`http://127.0.0.1:${port}`, { transports: ["websocket"] });
  client.on("disconnect", note("the client: "));
  client.on("hello", (from) => node.from.add(from));
  client.on("m", (From, Seq, Sent) => {
    node.from.add(From);
    node.told.Got.push({ From, Seq, Sent, At: Date.now() });
  });
  node.repeat(50, () => node.io.emit("hello", node.name));
};

node.repeat = (interval, fn) => {
  node.halt();
  const timer = setInterval(fn, interval);
  node.halt = () => clearInterval(timer);
};

node.emit = (padding = "") => {
  const now = Date.now();
  node.told.At.push(now);
  node.io.emit("m", node.name, node.told.Sent++, now, padding);
};

node.report = () => node.told;
