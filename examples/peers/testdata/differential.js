// One scenario of official clients, and the reference server that it is written for. It leaves ctx.startReference, ctx.startReplay and
// ctx.play; see differential_test.go, which has the same server in Go, as ../zishang/scenario has for the Go peer.

const text = (value) => JSON.stringify(binary(value));

ctx.startReference = async () => {
  const { io: main, url } = await startServer({ opts: { maxHttpBufferSize: 1e6 } });
  serve(main.of("/"));
  serve(main.of("/chat"));
  const guarded = main.of("/guarded");
  guarded.use((socket, next) => next(socket.handshake.auth.token === undefined ? new Error("no token") : undefined));
  guarded.use(async (socket, next) => {
    await sleep(1);
    if (socket.handshake.auth.token !== "right") {
      return next(Object.assign(new Error("wrong token"), { data: { code: 401, hint: ["é", null] } }));
    }
    socket.join("let in");
    next();
  });
  serve(guarded);
  return url;
};

function serve(nsp) {
  const select = (root, { rooms, except, local, volatile }) => {
    let op = root;
    if (rooms) op = op.to(rooms);
    if (except) op = op.except(except);
    if (local) op = op.local;
    if (volatile) op = op.volatile;
    return op;
  };
  nsp.on("connection", (socket) => {
    const { auth, query } = socket.handshake;
    const seen = [];
    socket.data.name = auth.name ?? "?";
    socket.onAny((event) => seen.push(event));
    socket.on("disconnect", (reason) => nsp.emit("left", socket.data.name, reason));
    socket.on("echo", (...args) => socket.emit("echo", ...args));
    socket.on("ack", (...args) => args.pop()(...args));
    socket.on("42", (...args) => socket.emit("number", ...args));
    socket.on("sync", (ack) => ack());
    socket.on("seen", (ack) => ack(seen.filter((event) => event !== "sync")));
    socket.on("rooms", (ack) => ack([...socket.rooms].filter((room) => room !== socket.id).sort()));
    socket.on("join", (rooms, ack) => {
      socket.join(rooms);
      ack();
    });
    socket.on("leave", (room, ack) => {
      socket.leave(room);
      ack();
    });
    socket.on("ask me", (...args) => socket.emit("question", ...args, (...answer) => socket.emit("answered", ...answer)));
    socket.on("ask me in vain", () => socket.timeout(150).emit("silence", (err) => socket.emit("in vain", err !== null)));
    socket.on("tell", (to, ...args) => void select(nsp, to).emit("told", ...args));
    socket.on("tell others", (to, ...args) => {
      void select(to.rooms || to.except ? socket : socket.broadcast, to).emit("told", ...args);
    });
    socket.on("ask all", async (to, ms, ack) => {
      const op = select(nsp, to).timeout(ms);
      const got = await op.emitWithAck("question", "all").then((answers) => ({ answers, late: false }), (err) => ({ answers: err.responses, late: true }));
      ack({ ...got, answers: got.answers.map((a) => a ?? null).sort((a, b) => (text(a) < text(b) ? -1 : 1)) });
    });
    socket.on("fetch", async (to, ack) => ack((await select(nsp, to).fetchSockets()).map((s) => s.data.name).sort()));
    socket.on("join all", (to, rooms) => select(nsp, to).socketsJoin(rooms));
    socket.on("leave all", (to, rooms) => select(nsp, to).socketsLeave(rooms));
    socket.on("disconnect all", (to, close) => select(nsp, to).disconnectSockets(close));
    socket.on("handshake", (ack) => ack(socket.handshake));
    socket.on("burst", (n) => {
      for (let i = 0; i < n; i++) socket.emit("burst", i, i % 5 === 0 ? Buffer.from([i]) : `text ${i}`);
    });
    socket.on("kick me", (close) => {
      socket.emit("last words", Buffer.from("bye"));
      socket.disconnect(close);
    });
    socket.emit("welcome", auth, query.x ?? null, socket.handshake.query.transport);
  });
}

/** a run of the scenario over one transport. */
class Run {
  constructor(url, transport, patience) {
    Object.assign(this, { url, transport, patience, clients: new Set(), known: new Map(), log: {}, number: 0 });
    this.random = Math.random().toString(36).slice(2);
    this.transports = transport === "upgrade" ? ["polling", "websocket"] : [transport];
  }

  /** tag begins the names of the clients of the present step, so that others can be told from them. */
  get tag() {
    return `${this.random}-${String(this.number).padStart(4, "0")}:`;
  }

  /** open makes a client whose events are recorded under the name from here on. */
  open(name, path = "/", opts = {}) {
    const auth = { name: (opts.tag ?? this.tag) + name, ...opts.auth };
    const socket = io(this.url + (path === "/" ? "" : path), {
      forceNew: true, reconnection: false, transports: this.transports, query: { x: "y z" }, ...opts, auth: opts.authFunction ?? auth,
    });
    return this.watch(name, socket);
  }

  /** watch records what comes to a socket. */
  watch(name, socket) {
    const log = this.log;
    const put = (...entry) => ((name.length === 1 && this[name] === socket ? this.log : log)[name] ??= []).push(entry);
    socket.on("connect", () => {
      this.known.set(socket.id, `<id of ${name}>`);
      put("connected");
    });
    socket.on("connect_error", (err) => put("refused", err.message, err.data));
    socket.on("disconnect", (reason) => put("disconnected", reason));
    socket.onAny((event, ...args) => {
      const ack = typeof args.at(-1) === "function" ? args.pop() : undefined;
      // Neither clients of earlier steps count, nor what a client hears of its own former self if it is quick enough.
      if (event === "left" && (!String(args[0]).startsWith(this.tag) || args[0] === this.tag + name)) return;
      put(event, ...args);
      if (!ack || event !== "question") return;
      const answer = socket.answer ?? [name, ...args];
      if (answer !== "never") ack(...answer);
    });
    this.clients.add(socket);
    return socket;
  }

  /** connected waits until the socket is, and upgraded if that is what the run is about. */
  async connected(socket) {
    if (!socket.connected) await once(socket, "connect", this.patience);
    if (this.transport === "upgrade") await until(() => socket.io.engine.transport.name === "websocket", this.patience);
    return socket;
  }

  /** fresh returns two new clients, who are in no rooms. */
  async fresh() {
    const both = [];
    for (const name of ["c", "d"]) {
      both.push(await this.connected(this.open(name)));
      await this.got(name, "welcome");
    }
    return both;
  }

  /** two returns sockets of a new client in two namespaces. */
  async two(auth) {
    const c = await this.connected(this.open("c"));
    await this.got("c", "welcome");
    const chat = await this.connected(this.watch("c in chat", c.io.socket("/chat", { auth: { name: this.tag + "c in chat", ...auth } })));
    await this.got("c in chat", "welcome");
    return [c, chat];
  }

  /** pair returns two connected clients. */
  async pair() {
    for (const name of ["a", "b"]) {
      if (this[name]?.connected) {
        delete this[name].answer;
        continue;
      }
      this.close(this[name]);
      const socket = (this[name] = this.open(name, "/", { tag: `${this.random}-0000:` }));
      await this.connected(socket);
      await this.got(name, "welcome");
    }
    return [this.a, this.b];
  }

  /** got waits until the client has got n such events in the present step. */
  got(name, event, n = 1) {
    return until(() => (this.log[name] ?? []).filter(([got]) => got === event).length >= n, this.patience);
  }

  /** sync waits until everything that the server has sent the client before has come. */
  async sync(...sockets) {
    for (const s of sockets) await s.timeout(this.patience).emitWithAck("sync");
  }

  /** plain makes what was recorded the same for every run and every server. */
  plain(value) {
    let s = text(value ?? null).replaceAll(new RegExp(`${this.random}-\\d+:`, "g"), "");
    for (const [id, name] of this.known) s = s.replaceAll(id, name);
    return JSON.parse(s);
  }

  async step(name, fn) {
    const [a, b] = await this.pair();
    this.log = {};
    this.number++;
    let result;
    try {
      result = await fn.call(this, a, b);
      await this.sync(...[a, b].filter((s) => s.connected)); // what was sent to all has come
    } catch (err) {
      result = { thrown: err.message.slice(0, 200) };
    }
    const transcript = this.plain({ result, ...this.log });
    for (const s of this.clients) {
      if (s.io !== a.io && s.io !== b.io) this.close(s);
    }
    return { name, transcript };
  }

  close(socket) {
    socket?.disconnect();
    socket?.io._close();
    this.clients.delete(socket);
  }

  closeAll() {
    for (const s of this.clients) this.close(s);
  }
}

const bytes = (...all) => Buffer.from(all);

/** echoes makes steps that send arguments there and back, as an event and as an acknowledgement. */
function echoes() {
  const values = {
    "no arguments": [],
    "plain": [1, "two", true, false, null, [], {}, ""],
    "numbers": [0, -1, 1.5, -0.25, 1e21, 1e-7, 2 ** 53, 2 ** 53 - 1, 5e-324, 1.7976931348623157e308, 123456789.125],
    "texts": ["é ü", "日本語 😀", "\u2028\u2029\u0000\u001e\u007f", "<b>&amp;</b>", "\"\\/", "x".repeat(20_000)],
    "lone surrogates": ["\ud800", "a\udc00b"],
    "undefined and NaN": [undefined, NaN, Infinity, { u: undefined }, [undefined]],
    "date": [new Date(1704164645678)],
    "nested": [{ a: [{ b: [{ c: { d: [1, [2, [3]]] } }] }] }],
    "odd keys": [{ "": 1, "a b": 2, "é\"": 3, constructor: 4, toString: 5, length: 6 }],
    "order of keys": [{ z: 1, a: 2, m: { y: 1, b: 2 } }],
    "binary": [bytes(0, 1, 254, 255)],
    "typed arrays": [new Uint8Array([1, 2]), new Uint8Array([3]).buffer],
    "nested binary": [{ list: [bytes(1), "text", { deep: bytes(2, 3) }], b: bytes(4) }, 5, bytes(6)],
    "empty binary": [bytes()],
    "large binary": [Buffer.alloc(150_000, "ab")],
    "ten attachments": [Array.from({ length: 10 }, (_, i) => bytes(i))],
    "what looks like binary": [{ _placeholder: true, num: 0 }, { type: "Buffer", data: [1] }],
    "one attachment twice": (() => ((b) => [b, { b }])(bytes(7)))(),
  };
  return Object.entries(values).flatMap(([name, args]) => [
    [`echo ${name}`, async function (a) {
      a.emit("echo", ...args);
      await this.got("a", "echo");
    }],
    [`acknowledge ${name}`, async function (a) {
      return new Promise((done) => a.timeout(this.patience).emit("ack", ...args, (err, ...got) => done(err ? "timeout" : name === "order of keys" ? text(got) : got)));
    }],
    [`question ${name}`, async function (a) {
      a.answer = args;
      a.emit("ask me", "x");
      await this.got("a", "answered");
    }],
  ]);
}

const steps = [
  ["length of ids", async function (a) {
    const c = await this.connected(this.open("c", "/chat"));
    await this.got("c", "welcome");
    return [a.id.length, a.io.engine.id.length, c.id.length, c.io.engine.id.length];
  }],
  ["connect without auth", async function () {
    await this.connected(this.open("c", "/", { authFunction: (cb) => cb(undefined) }));
    await this.got("c", "welcome");
  }],
  ["connect with auth", async function () {
    const c = await this.connected(this.open("c", "/", { auth: { token: { list: ["é", 1, null] } }, query: { x: "ä/?&=+ " } }));
    await this.got("c", "welcome");
    await this.sync(c);
  }],
  ["auth from a function", async function () {
    await this.connected(this.open("c", "/", { authFunction: (cb) => setTimeout(() => cb({ n: 1 }), 5) }));
    await this.got("c", "welcome");
  }],
  ["events before the connection", async function () {
    const c = this.open("c");
    c.emit("echo", "early", bytes(1));
    c.emit("echo", "early too");
    await this.connected(c);
    await this.got("c", "echo", 2);
  }],
  ["handshake", async function (a) {
    const { time, issued, url, headers: { host, "sec-websocket-key": key, ...headers }, query: { t, ...query }, auth, ...rest } =
      await a.timeout(this.patience).emitWithAck("handshake");
    return {
      ...rest, headers, auth, query: Object.entries(query).sort(), issued: Math.abs(issued - Date.now()) < 600_000,
      time: Math.abs(Date.parse(time) - issued) <= 1000 && time === new Date(Date.parse(time)).toString(),
      url: url.replace(/&t=.*/, ""), host: `http://${host}` === this.url, t: typeof t, key: typeof key,
    };
  }],
  ...echoes(),
  ["event with a number as name", async function (a) {
    a.emit(42, "x");
    await this.got("a", "number");
  }],
  ["events that nobody handles", async function (a) {
    for (const event of ["nobody", "error", "constructor", "__proto__", "toString", ""]) a.emit(event, 1, bytes(2));
    await this.sync(a);
    return a.timeout(this.patience).emitWithAck("seen").then((seen) => seen.slice(-7));
  }],
  ["acknowledgement that nobody gives", (a) => a.timeout(200).emitWithAck("nobody").catch((err) => err.message)],
  ["acknowledgements in order", async function (a) {
    const order = [];
    await Promise.all(Array.from({ length: 40 }, (_, i) => a.timeout(this.patience).emitWithAck("ack", i).then((got) => order.push(got))));
    return order;
  }],
  ["question that is not answered", async function (a) {
    a.emit("ask me in vain");
    await this.got("a", "in vain");
  }],
  ["events in order", async function (a) {
    for (let i = 0; i < 60; i++) a.emit("echo", i, i % 7 === 0 ? bytes(i) : null);
    await this.got("a", "echo", 60);
  }],
  ["burst", async function (a) {
    a.emit("burst", 60);
    await this.got("a", "burst", 60);
  }],

  ["join and leave", async function () {
    const [a] = await this.fresh();
    const call = (...args) => a.timeout(this.patience).emitWithAck(...args);
    const rooms = [await call("rooms")];
    for (const [event, arg] of [["join", ["r", "s"]], ["join", ["r"]], ["join", ["é #", "7"]], ["leave", "r"], ["leave", "none"], ["leave", "é #"]]) {
      await call(event, arg);
      rooms.push(await call("rooms"));
    }
    return rooms;
  }],
  ["broadcasts", async function () {
    const [a, b] = await this.fresh();
    for (const [s, rooms] of [[a, ["r", "s"]], [b, ["r", "t"]]]) await s.timeout(this.patience).emitWithAck("join", rooms);
    for (const to of [
      { rooms: ["r"] }, { rooms: ["s"] }, { rooms: ["r", "t", "none"] }, { rooms: ["none"] }, { rooms: ["r"], except: ["t"] }, { rooms: ["r"], except: ["r"] },
      { rooms: [a.id] }, { rooms: [b.id, "s"] }, { rooms: ["r"], except: [a.id] }, { rooms: ["r"], local: true },
    ]) {
      a.emit("tell", to, text(to), bytes(1), { b: bytes() });
      await this.sync(a); // one after the other, whatever the server does with several at a time
    }
    for (const to of [{ rooms: ["r"] }, { rooms: ["t", "s"] }, { rooms: ["r"], except: ["t"] }, { except: ["t"] }, {}]) {
      a.emit("tell others", { ...to, except: [...(to.except ?? []), "outside"] }, text(to));
      await this.sync(a);
    }
    await this.sync(b);
  }],
  ["broadcast to all", async function (a, b) {
    const c = await this.connected(this.open("c", "/chat"));
    await this.got("c", "welcome");
    a.emit("tell", {}, "everybody", 1);
    await this.got("a", "told");
    await this.got("b", "told");
    await this.sync(a, b, c);
  }],
  ["questions to many", async function () {
    const [a, b] = await this.fresh();
    for (const s of [a, b]) await s.timeout(this.patience).emitWithAck("join", ["asked"]);
    const ask = (to) => a.timeout(this.patience).emitWithAck("ask all", to, this.patience);
    b.answer = [bytes(1, 2), "second"];
    const got = [await ask({ rooms: ["asked"] }), await ask({ rooms: ["none"] }), await ask({ rooms: ["asked"], except: [a.id] })];
    b.answer = [];
    got.push(await ask({ rooms: ["asked"] }));
    b.answer = [null];
    return [...got, await ask({ rooms: [b.id] })];
  }],
  ["questions that some do not answer", async function () {
    const [a, b] = await this.fresh();
    for (const s of [a, b]) await s.timeout(this.patience).emitWithAck("join", ["slow"]);
    b.answer = "never";
    const logs = [this.log.c, this.log.d].map((log) => [log, log.length]);
    for (let ms = 1500; ; ms *= 3) {
      const got = await a.timeout(this.patience).emitWithAck("ask all", { rooms: ["slow"] }, ms);
      await this.sync(a, b);
      if (got.answers.length > 0 || 3 * ms > this.patience) return got;
      for (const [log, length] of logs) log.length = length; // the machine has stalled: again with more time, as if for the first time
    }
  }],
  ["sockets together", async function () {
    const [a, b] = await this.fresh();
    const call = (...args) => a.timeout(this.patience).emitWithAck(...args);
    await call("join", ["both"]);
    await b.timeout(this.patience).emitWithAck("join", ["both", "b only"]);
    const got = [await call("fetch", { rooms: ["both"] }), await call("fetch", { rooms: ["both"], except: ["b only"] }), await call("fetch", { rooms: ["none"] })];
    const look = async () => {
      await this.sync(a);
      got.push(await call("fetch", { rooms: ["new"] }), await call("rooms"));
    };
    a.emit("join all", { rooms: ["both"] }, ["new", "more"]);
    await look();
    a.emit("leave all", { rooms: ["b only"] }, ["new", "more"]);
    await look();
    a.emit("leave all", { rooms: ["both"], except: ["b only"] }, ["more"]);
    await look();
    return got;
  }],
  ["disconnecting many", async function (a, b) {
    const c = await this.connected(this.open("c"));
    const d = await this.connected(this.open("d"));
    for (const s of [c, d]) await s.timeout(this.patience).emitWithAck("join", ["doomed"]);
    a.emit("disconnect all", { rooms: ["doomed"], except: [d.id] }, false);
    await this.got("a", "left");
    a.emit("disconnect all", { rooms: ["doomed"] }, true);
    await this.got("a", "left", 2);
    await this.got("c", "disconnected");
    await this.got("d", "disconnected");
    await this.got("b", "left", 2);
  }],

  ["namespaces over one connection", async function () {
    const [c, chat] = await this.two({ own: 1 });
    chat.emit("echo", "chat", bytes(1));
    c.emit("echo", "main", bytes(2));
    await this.got("c in chat", "echo");
    await this.got("c", "echo");
    const got = [await chat.timeout(this.patience).emitWithAck("ack", 1), chat.id !== c.id, chat.io === c.io];
    chat.disconnect();
    await this.sync(c);
    chat.connect();
    await this.connected(chat);
    await this.got("c in chat", "welcome", 2);
    chat.disconnect();
    await this.sync(c);
    return got;
  }],
  ["namespace alone", async function (a) {
    const c = await this.connected(this.open("c", "/chat"));
    c.emit("tell", {}, "chat");
    await this.got("c", "told");
    await this.sync(a, c);
  }],
  ["unknown namespaces", async function () {
    const c = await this.connected(this.open("c"));
    await this.got("c", "welcome");
    for (const path of ["/unknown", "/chat/é?x=1", "/CHAT", "/chat/"]) {
      this.watch("c in " + path, c.io.socket(path));
      await this.got("c in " + path, "refused");
    }
    await this.sync(c);
  }],
  ["refused by the first guard", async function () {
    const c = await this.connected(this.open("c"));
    await this.got("c", "welcome");
    this.watch("c in guarded", c.io.socket("/guarded"));
    await this.got("c in guarded", "refused");
    await this.sync(c);
  }],
  ["refused by the second guard, then let in", async function () {
    const c = this.open("c", "/guarded", { auth: { token: "wrong" } });
    await this.got("c", "refused");
    const engine = c.io.engine;
    c.auth = { name: this.tag + "c", token: "right" };
    c.connect();
    await this.connected(c);
    await this.got("c", "welcome");
    return [c.io.engine === engine, await c.timeout(this.patience).emitWithAck("rooms")];
  }],

  ["disconnect by the client", async function (a, b) {
    const c = await this.connected(this.open("c"));
    await this.got("c", "welcome");
    c.emit("tell", { rooms: [b.id] }, "before");
    await this.got("b", "told");
    await c.timeout(this.patience).emitWithAck("join", ["left alone"]);
    const found = () => b.timeout(this.patience).emitWithAck("fetch", { rooms: ["left alone"] });
    const got = [await found()];
    c.disconnect();
    await this.got("b", "left");
    await this.got("a", "left");
    got.push(await found());
    c.connect();
    await this.connected(c);
    await this.got("c", "welcome", 2);
    return [...got, await c.timeout(this.patience).emitWithAck("rooms")];
  }],
  ["disconnect by the server", async function (a, b) {
    const c = await this.connected(this.open("c", "/", { reconnection: true, reconnectionDelay: 1 }));
    await this.got("c", "welcome");
    c.emit("kick me", false);
    await this.got("c", "disconnected");
    await this.got("b", "left");
    await this.got("a", "left");
    await sleep(30); // it would have come back by now
  }],
  ["disconnect from one of two namespaces", async function () {
    const [c, chat] = await this.two();
    chat.emit("kick me", false);
    await this.got("c in chat", "disconnected");
    c.emit("echo", "still here");
    await this.got("c", "echo");
  }],
  ["connection closed by the server", async function () {
    const [c] = await this.two();
    c.emit("kick me", true);
    await this.got("c", "disconnected");
    await this.got("c in chat", "disconnected");
    await this.got("a", "left");
    await this.got("b", "left");
    await until(() => c.io.engine?.readyState !== "open", this.patience);
  }],
  ["connection closed by the client", async function (a, b) {
    const c = await this.connected(this.open("c", "/", { reconnection: true, reconnectionDelay: 1, randomizationFactor: 0 }));
    await this.got("c", "welcome");
    c.io.engine.close();
    await this.got("b", "left");
    await this.got("a", "left");
    await this.got("c", "connected", 2);
    await this.got("c", "welcome", 2);
  }],
  ["answer awaited across a reconnection", async function () {
    const c = await this.connected(this.open("c", "/", { reconnection: true, reconnectionDelay: 1, randomizationFactor: 0 }));
    await this.got("c", "welcome");
    const lost = c.emitWithAck("nobody").catch((err) => err.message);
    c.io.engine.close();
    await this.got("c", "connected", 2);
    await this.got("c", "welcome", 2);
    await this.got("a", "left");
    await this.got("b", "left");
    return [await lost, await c.timeout(this.patience).emitWithAck("ack", "new")];
  }],
  ["message that is too large", async function (a, b) {
    const c = await this.connected(this.open("c"));
    await this.got("c", "welcome");
    c.emit("echo", "x".repeat(1_100_000));
    await this.got("c", "disconnected");
    await this.got("a", "left");
    await this.got("b", "left");
    if (this.transport !== "polling") return;
    // There are two answers, over two connections: 413 to the message, and to the poll the end of the session, or that there is none if
    // the poll comes later. What comes first is the reason that the client gives.
    for (const entry of this.log.c) {
      if (["transport close", "transport error"].includes(entry[1])) entry[1] = "closed by the server, or an error of the transport";
    }
  }],
  ["message that is just small enough", async function () {
    const c = await this.connected(this.open("c"));
    return c.timeout(this.patience).emitWithAck("ack", "y".repeat(999_000)).then((got) => got.length);
  }],
  ["client of version 3", async function () {
    const c = io3(this.url, { forceNew: true, transports: this.transports, auth: { name: this.tag + "c", v: 3 }, query: { x: "3" } });
    const welcome = once(c, "welcome", this.patience);
    const echo = once(c, "echo", this.patience);
    c.emit("echo", 3, bytes(3));
    const got = [await welcome, await echo, await new Promise((done) => c.emit("ack", "v3", done))];
    c.close();
    await this.got("a", "left");
    await this.got("b", "left");
    return got;
  }],
];

const replays = [];

/** startReplay begins to play every step, or those whose names are given, and returns the number of the replay. */
ctx.startReplay = (url, transport, patience, only) => {
  const left = steps.filter(([name]) => !only || only.includes(name));
  return replays.push({ run: new Run(url, transport, patience), left }) - 1;
};

/** play plays the next step of a replay and returns its transcript, or null after the last one. */
ctx.play = async (number) => {
  const { run, left } = replays[number];
  if (left.length === 0) {
    run.closeAll();
    return null;
  }
  const [name, fn] = left.shift();
  try {
    return await run.step(name, fn);
  } catch (err) {
    return { name, transcript: { result: { "no clients": err.message.slice(0, 200) } } };
  }
};
