// Two clients change one object by plain CALL and SUBSCRIBE, with autobahn-js on Node 22 or newer:
//   npm install && node dstm_two_clients.mjs [URL of the router] [json|msgpack|cbor]

import autobahn from "autobahn";
import { Replica } from "./dstm_replica.mjs";

const [url = "ws://127.0.0.1:8080/ws", format = "json"] = process.argv.slice(2);
const { JSONSerializer, MsgpackSerializer, CBORSerializer } = autobahn.serializer;
const serializer = { json: JSONSerializer, msgpack: MsgpackSerializer, cbor: CBORSerializer }[format];

// Subscribe first, then sync: so nothing is lost between the two.
async function follow(session) {
  const replica = new Replica();
  await session.subscribe("dstm.demo.delta", (deltas) => replica.apply(deltas));
  const { kwargs } = await session.call("dstm.demo.sync");
  replica.begin(kwargs);
  return replica;
}

function join() {
  const connection = new autobahn.Connection({
    transports: [{ type: "websocket", url, serializers: [new serializer()] }],
    realm: "realm1",
  });
  return new Promise((resolve) => {
    connection.onopen = (session) => resolve({ session, leave: () => connection.close() });
    connection.open();
  });
}

const [one, two] = await Promise.all([join(), join()]);
const [a, b] = await Promise.all([follow(one.session), follow(two.session)]);
console.log("A and B have received the object:", JSON.stringify(a.document) === JSON.stringify(b.document));

const base = a.version;
await two.session.call("dstm.demo.put", ["/hello", "world"]);
console.log("B has set hello to world");

const client = crypto.randomUUID().replaceAll("-", "");
const commit = {
  tx: `${client}:1`,
  epoch: a.epoch,
  base,
  reads: ["/hello"],
  ops: [{ op: "add", path: "/hello", value: "code camp" }],
};
await one.session.call("dstm.demo.commit", [], commit).catch(({ error, kwargs: { deltas } }) => {
  console.log("A is told:", error, deltas.at(-1)[2].at(-1).value);
  a.apply(deltas);
});

// Another transaction, on what A has learned.
const again = { ...commit, tx: `${client}:2`, base: a.version };
const { kwargs } = await one.session.call("dstm.demo.commit", [], again);
await Promise.all([a.until("code camp"), b.until("code camp")]);
console.log("A has", a.document.hello, "and B has", b.document.hello);
console.log("at the same version:", a.version === b.version && b.version === kwargs.version);
one.leave();
two.leave();
