// What the JavaScript of a test sees besides ctx and args: the packages under their usual names, and a few helpers.
import { existsSync } from "node:fs";
import http from "node:http";
import { createRequire } from "node:module";
import { delimiter, join } from "node:path";
import { createAdapter, createShardedAdapter } from "@socket.io/redis-adapter";
import { Emitter } from "@socket.io/redis-emitter";
import { Socket as EngineClient } from "engine.io-client";
import { Server as EngineServer } from "engine.io";
import { Cluster as RedisCluster, Redis } from "ioredis";
import { createClient, createCluster, createSentinel } from "redis";
import { Server as SocketServer } from "socket.io";
import { io } from "socket.io-client";
import * as sioParser from "socket.io-parser";
import { WebSocket } from "ws";
import { binary } from "./binary.mjs";
import { listen } from "./listen.mjs";

const require = createRequire(import.meta.url);
const notepack = require("notepack.io");
const io2 = require("socket.io-client-v2");
const { io: io3 } = require("socket.io-client-v3");

const ctx = {};

const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

function timeout(ms, what, reject) {
  return setTimeout(() => reject(new Error(`no ${what} within ${ms} ms`)), ms);
}

/** once resolves to the arguments of the next event. */
async function once(emitter, event, ms = 10_000) {
  return (await take(emitter, event, 1, ms))[0];
}

/** take resolves to the arguments of each of the next n events. */
function take(emitter, event, n, ms = 10_000) {
  return new Promise((resolve, reject) => {
    const got = [];
    const stop = () => {
      clearTimeout(timer);
      emitter.off(event, onEvent);
    };
    const onEvent = (...a) => {
      got.push(a);
      if (got.length < n) return;
      stop();
      resolve(got);
    };
    const timer = setTimeout(() => {
      stop();
      reject(new Error(`${got.length} of ${n} "${event}" within ${ms} ms: ${JSON.stringify(binary(got)).slice(0, 500)}`));
    }, ms);
    if (n <= 0) {
      stop();
      resolve(got);
      return;
    }
    emitter.on(event, onEvent);
  });
}

/** until polls fn until it returns (a promise of) something truthy, and resolves to that. */
async function until(fn, ms = 10_000) {
  const end = Date.now() + ms;
  for (;;) {
    const v = await fn();
    if (v) return v;
    if (Date.now() > end) throw new Error(`still false after ${ms} ms: ${fn}`);
    await sleep(10);
  }
}

/** connect opens a socket.io-client and resolves once it is connected (and rejects with the reason when it is refused). */
function connect(url, opts = {}, ms = 10_000) {
  const socket = io(url, { forceNew: true, reconnection: false, ...opts });
  return new Promise((resolve, reject) => {
    const timer = timeout(ms, "connect", reject);
    socket.once("connect", () => {
      clearTimeout(timer);
      resolve(socket);
    });
    socket.once("connect_error", (err) => {
      clearTimeout(timer);
      socket.disconnect();
      reject(err);
    });
  });
}

async function redisPair(url) {
  const pub = createClient({ url });
  const sub = pub.duplicate();
  for (const c of [pub, sub]) c.on("error", (err) => console.error("redis:", err.message));
  await Promise.all([pub.connect(), sub.connect()]);
  return [pub, sub];
}

/**
 * startServer runs a Socket.IO server in this process, with the Redis adapter when redis is a URL (the sharded one when sharded is
 * true). The last one started is also ctx.io and ctx.port.
 */
async function startServer({ redis, sharded = false, adapterOpts, opts = {}, port } = {}) {
  const clients = redis ? await redisPair(redis) : [];
  const create = sharded ? createShardedAdapter : createAdapter;
  const adapter = redis ? { adapter: create(...clients, adapterOpts) } : {};
  const httpServer = http.createServer((_, res) => res.writeHead(404).end());
  const server = new SocketServer(httpServer, { ...adapter, ...opts });
  const bound = await listen(httpServer, port);
  const close = async () => {
    await server.close();
    for (const c of clients) c.destroy();
  };
  ctx.io = server;
  ctx.port = bound;
  return { io: server, port: bound, url: `http://127.0.0.1:${bound}`, redis: clients, httpServer, close };
}

function chromiumProgram() {
  if (process.env.CHROMIUM) return process.env.CHROMIUM;
  const dirs = (process.env.PATH ?? "").split(delimiter);
  const found = ["chromium", "chromium-browser", "google-chrome"]
    .flatMap((name) => dirs.map((dir) => join(dir, name)))
    .find(existsSync);
  if (!found) throw new Error("Chromium is not installed: run make deps");
  return found;
}

/** browser starts a headless Chromium, which ends with this process. CHROMIUM may name its program. */
async function browser() {
  const { chromium } = await import("playwright-core");
  return chromium.launch({
    executablePath: chromiumProgram(),
    args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"],
  });
}

export const scope = {
  ctx, io, io2, io3, SocketServer, EngineServer, EngineClient, createAdapter, createShardedAdapter, Emitter, createClient, createCluster,
  createSentinel, Redis, RedisCluster, WebSocket, notepack, sioParser, http, once, take, until, sleep, connect, listen, binary, redisPair,
  startServer, browser,
};
