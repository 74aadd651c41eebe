// The process behind peers.Node: reads one request a line from standard input, runs its JavaScript, and writes one answer a line to
// standard output. Requests run concurrently; it ends when its input does, so that it never outlives the test that started it.
import { createInterface } from "node:readline";
import { setDefaultResultOrder } from "node:dns";
import { Console } from "node:console";
import { scope } from "./scope.mjs";
import { binary, revive } from "./binary.mjs";

setDefaultResultOrder("ipv4first");
// Standard output belongs to the protocol.
globalThis.console = new Console(process.stderr, process.stderr);

const AsyncFunction = (async () => {}).constructor;

function run(js, args) {
  const fn = new AsyncFunction("args", ...Object.keys(scope), js);
  return fn(revive(args ?? []), ...Object.values(scope));
}

async function answer(line) {
  const { id, js, args } = JSON.parse(line);
  try {
    const result = await run(js, args);
    return JSON.stringify({ id, result: binary(result) ?? null });
  } catch (err) {
    return JSON.stringify({ id, error: String(err?.stack ?? err), message: String(err?.message ?? err) });
  }
}

process.on("unhandledRejection", (err) => console.error("unhandled rejection:", err));
process.on("uncaughtException", (err) => console.error("uncaught exception:", err));

const lines = createInterface({ input: process.stdin, crlfDelay: Infinity });
lines.on("line", async (line) => process.stdout.write((await answer(line)) + "\n"));
lines.on("close", () => process.exit(0));
process.stdout.write(JSON.stringify({ id: 0, result: process.version }) + "\n");
