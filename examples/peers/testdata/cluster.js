// The Node.js side of the mixed cluster: one reference server with the official Redis adapter, the official emitter, and the
// clients of all the servers. It runs once in a process and leaves ctx.startCluster; see cluster_test.go.

/** everything that a client of the cluster has got, and how it answers. */
class Client {
  constructor(name, socket) {
    Object.assign(this, { name, socket, log: [], ended: null });
    socket.onAny((...got) => {
      const ack = typeof got.at(-1) === "function" ? got.pop() : undefined;
      this.log.push(got);
      if (ack) this.answer(ack, ...got);
    });
    socket.on("disconnect", (reason) => (this.ended = reason));
  }

  /** what is answered depends on the event alone. */
  answer(ack, event, ...args) {
    switch (event) {
      case "ask": return ack({ from: this.name, got: args }, "second");
      case "ask binary": return ack({ from: this.name, bytes: [Buffer.from(this.name), ...args] });
      case "ask nothing": return ack();
      case "ask null": return ack(null);
      case "ask some": return args.includes(this.name) ? undefined : ack(this.name);
      case "ask and go": return args.includes(this.name) ? this.socket.disconnect() : ack(this.name);
    }
  }

  has(event, n) {
    return this.log.some(([name, value]) => name === event && value === n);
  }
}

class Cluster {
  constructor(key) {
    Object.assign(this, { key, clients: new Map(), notes: [] });
  }

  async start(redis, adapterOpts, heartbeat) {
    const opts = heartbeat ? { pingInterval: heartbeat, pingTimeout: 4 * heartbeat } : {};
    this.server = await startServer({ redis, opts, adapterOpts: { key: this.key, ...adapterOpts } });
    this.emitter = new Emitter(this.server.redis[0], { key: this.key });
    for (const name of ["/", "/custom"]) this.serve(this.server.io.of(name));
    return this.server.url;
  }

  /** what every server of the cluster does; the Go servers do the same. */
  serve(nsp) {
    nsp.on("connection", (socket) => {
      socket.data = { name: socket.handshake.auth.name, deep: { list: [1, null, "é"] } };
      socket.on("join", (rooms, ack) => {
        socket.join(rooms);
        ack();
      });
      socket.on("say", (room, ...args) => nsp.to(room).emit("said", ...args));
      socket.on("echo", (value, ack) => ack(value));
    });
    nsp.on("note", (...args) => this.notes.push([nsp.name, ...args]));
    nsp.on("ask", (...args) => args.pop()({ from: "node", got: args }));
    nsp.on("ask nothing", (ack) => ack());
    nsp.on("ask some", (silent, ack) => silent !== "node" && ack("node"));
  }

  /** client connects to a server, in both namespaces over one connection. */
  async client(name, url, opts) {
    const auth = { name, token: { list: ["é", 1] } };
    const main = await connect(url, { auth, query: { list: "a b", name }, extraHeaders: { "x-name": name }, ...opts });
    this.clients.set(name, new Client(name, main));
    const custom = main.io.socket("/custom", { auth });
    if (!custom.connected) await once(custom, "connect");
    this.clients.set(name + "/custom", new Client(name, custom));
  }

  get(name, nsp = "/") {
    return this.clients.get(nsp === "/" ? name : name + nsp);
  }

  /** drop closes clients and forgets them. */
  drop(names) {
    for (const name of names) {
      this.get(name)?.socket.io._close();
      this.clients.delete(name);
      this.clients.delete(name + "/custom");
    }
  }

  /** talk lets clients say numbers to a room, each of them in order, and waits until their servers have heard all of it. */
  async talk(names, room, n) {
    for (let i = 0; i < n; i++) {
      for (const name of names) this.get(name).socket.emit("say", room, name, i);
      await sleep(2);
    }
    await Promise.all(names.map((name) => this.get(name).socket.emitWithAck("echo", n)));
  }

  /** mover connects a client that reconnects, joins a room each time, and says something whenever it is disconnected. */
  async mover(name, url, opts) {
    const socket = io(url, { forceNew: true, auth: { name }, reconnectionDelay: 20, reconnectionDelayMax: 100, ...opts });
    const client = Object.assign(new Client(name, socket), { joined: 0, ids: [] });
    this.clients.set(name, client);
    socket.on("connect", async () => {
      client.ids.push(socket.id);
      await socket.emitWithAck("join", ["moving"]);
      client.joined++;
    });
    socket.on("disconnect", () => socket.emit("say", "solo", name, client.ids.length));
  }

  /** count emits n numbered events, some of them binary, in all the ways that reach everyone in the room. */
  async count(room, n) {
    const main = this.server.io;
    for (let i = 0; i < n; i++) {
      [main, main.to(room), main.to(room).to("none"), main.except("none")][i % 4].emit("count", "node", i, ...(i % 3 ? [] : [Buffer.from([i])]));
      if (i % 10 === 0) await sleep(1);
    }
  }

  /** drain returns what each client has got, once the event "end" with that number has come to all of them. */
  async drain(n) {
    const all = [...this.clients];
    const late = () => all.filter(([, c]) => !c.has("end", n));
    await until(() => late().length === 0, 20_000).catch(() => {
      throw new Error(`no end ${n} at ${late().map(([name, c]) => `${name} (${JSON.stringify(c.log).slice(-200)})`)}`);
    });
    return Object.fromEntries(all.map(([name, c]) => {
      const got = c.log.filter(([event, value]) => event !== "end" || value !== n);
      c.log = [];
      return [name, got];
    }));
  }

  /** select returns the operator for a selection of sockets. */
  select({ nsp, rooms, except, volatile, local, compress, from }, root = this.server.io) {
    let op = root.of(nsp);
    if (from) {
      op = op.sockets.get(from);
      if (!rooms && !except) op = op.broadcast;
    }
    if (rooms) op = op.to(rooms);
    if (except) op = op.except(except);
    if (volatile) op = op.volatile;
    if (local) op = op.local;
    if (typeof compress === "boolean") op = op.compress(compress);
    return op;
  }

  async ask(to, ms, event, args) {
    try {
      return { answers: await this.select(to).timeout(ms).emitWithAck(event, ...args) };
    } catch (err) {
      if (!err.responses) throw err;
      return { answers: err.responses, error: err.message };
    }
  }

  async serverAsk(nsp, event, args) {
    try {
      return { answers: await this.server.io.of(nsp).serverSideEmitWithAck(event, ...args) };
    } catch (err) {
      if (!err.responses) throw err;
      return { answers: err.responses, error: err.message };
    }
  }

  async fetch(to) {
    const all = await this.select(to).fetchSockets();
    return all.map(({ id, handshake, rooms, data }) => ({ id, handshake, rooms: [...rooms].map(String), data }));
  }

  /** remote finds one socket, which may be on any server. */
  async remote(nsp, id) {
    const [found] = await this.server.io.of(nsp).in(id).fetchSockets();
    if (found?.id !== id) throw new Error(`no socket ${id} in ${nsp}`);
    return found;
  }
}

ctx.clusters = {};
ctx.startCluster = async (key, ...args) => {
  ctx.clusters[key] = new Cluster(key);
  return ctx.clusters[key].start(...args);
};
