// dstm.js over autobahn-js and wampy.js: node dstm_js.mjs LIBRARY URL SERIALIZER autobahn|wampy; prints what happened.

import { pathToFileURL } from "node:url";

const [library, url, format, client] = process.argv.slice(2);
const { open, orElse, Space, UnknownOutcome, DstmError } = await import(pathToFileURL(library));

const JOIN = {
  async autobahn() {
    const { default: autobahn } = await import("autobahn");
    const { JSONSerializer, MsgpackSerializer, CBORSerializer } = autobahn.serializer;
    const serializer = { json: JSONSerializer, msgpack: MsgpackSerializer, cbor: CBORSerializer }[format];
    const connection = new autobahn.Connection({ transports: [{ type: "websocket", url, serializers: [new serializer()] }], realm: "realm1" });
    return new Promise((resolve) => {
      connection.onopen = (session) => resolve({ session, leave: () => connection.close() });
      connection.open();
    });
  },
  async wampy() {
    const { Wampy } = await import("wampy");
    const { default: ws } = await import("ws");
    const serializers = {
      json: async () => new (await import("wampy/JsonSerializer.js")).JsonSerializer(),
      msgpack: async () => new (await import("wampy/MsgpackSerializer.js")).MsgpackSerializer(),
      cbor: async () => new (await import("wampy/CborSerializer.js")).CborSerializer(),
    };
    const session = new Wampy(url, { realm: "realm1", ws, serializer: await serializers[format]() });
    await session.connect();
    return { session, leave: () => session.disconnect() };
  },
};

const [one, two] = await Promise.all([JOIN[client](), JOIN[client]()]);
const [a, b] = await Promise.all([open(one.session, "demo"), open(two.session, "demo")]);
await a.atomically((tx) => tx.set("", { n: 0, q: [], big: {} }));

const increments = Array.from({ length: 40 }, (_, i) => (i % 2 ? a : b).atomically((tx) => tx.set("/n", tx.get("/n") + 1)));
await Promise.all(increments);
const strict = await a.transact({ each: (tx) => tx.get("/n"), strict: true });
console.log("40 read-modify-writes:", strict.value);
console.log("there were conflicts:", a.counters.conflicts + b.counters.conflicts > 0);

const taken = b.atomically((tx) => {
  const [first] = tx.get("/q");
  if (first === undefined) tx.retry();
  tx.delete("/q/0");
  return first;
});
await a.atomically((tx) => tx.push("/q", "hello"));
console.log("taken from the queue:", (await taken).value);

const either = orElse((tx) => (tx.get("/q/0", null) === null ? tx.retry() : "q"), () => "else");
console.log("or else:", (await a.transact({ each: either, strict: true })).value);

const refused = await a.atomically((tx) => tx.inc("/n", 1, { max: 40 })).catch((error) => error);
console.log("a bound:", refused instanceof DstmError && refused.uri);

await a.atomically((tx) => {
  for (let i = 0; i < 500; i++) tx.set(`/big/k${i}`, "x".repeat(700));
});
const late = new Space("demo", { paths: ["/big"] });
const three = await JOIN[client]();
await late.attach(three.session);
console.log("a partial replica, in pages:", late.keys("/big").length, late.has("/n"));

const seen = new Promise((resolve) => late.watch("/big/k1", resolve));
await b.atomically((tx) => tx.set("/big/k1", "changed"));
console.log("watched:", await seen);
console.log("nothing was wrong:", [a, b, late].every((space) => space.counters.mismatches === 0));
for (const { leave } of [one, two, three]) leave();
setTimeout(() => process.exit(0), 300);
