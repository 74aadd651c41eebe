// Binary values in JSON: {"$bin": "<base64>"} stands for a Buffer in what enters and leaves the driver.

function bytes(x) {
  if (Buffer.isBuffer(x)) return x;
  if (x instanceof ArrayBuffer) return Buffer.from(x);
  if (ArrayBuffer.isView(x)) return Buffer.from(x.buffer, x.byteOffset, x.byteLength);
  return null;
}

function plain(x) {
  if (x instanceof Set) return [...x];
  if (x instanceof Map) return [...x].map(([k, v]) => [k, v]);
  if (x instanceof Error) return { name: x.name, message: x.message, ...x };
  return x;
}

/** binary returns a copy of x that JSON can hold: binary values become {"$bin"}, sets and maps arrays, errors and bigints plain values. */
export function binary(x, path = []) {
  if (typeof x === "bigint") return x.toString();
  if (x === null || typeof x !== "object") return x;
  const b = bytes(x);
  if (b) return { $bin: b.toString("base64") };
  if (typeof x.toJSON === "function") return x.toJSON();
  if (path.includes(x)) throw new TypeError("the result refers to itself");
  const inner = [...path, x];
  const value = plain(x);
  if (Array.isArray(value)) return value.map((v) => binary(v, inner));
  return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, binary(v, inner)]));
}

/** revive turns the {"$bin"} objects inside a parsed JSON value into Buffers. */
export function revive(x) {
  if (x === null || typeof x !== "object") return x;
  if (Array.isArray(x)) return x.map(revive);
  const keys = Object.keys(x);
  if (keys.length === 1 && keys[0] === "$bin" && typeof x.$bin === "string") return Buffer.from(x.$bin, "base64");
  return Object.fromEntries(Object.entries(x).map(([k, v]) => [k, revive(v)]));
}
