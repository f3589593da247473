// Two clients change one object by plain CALL and SUBSCRIBE, with wampy.js on Node 20 or newer:
//   npm install && node dstm_two_clients_wampy.mjs [URL of the router] [json|msgpack|cbor]

import { Wampy } from "wampy";
import { CborSerializer } from "wampy/CborSerializer.js";
import { JsonSerializer } from "wampy/JsonSerializer.js";
import { MsgpackSerializer } from "wampy/MsgpackSerializer.js";
import WebSocket from "ws";
import { Replica } from "./dstm_replica.mjs";

const [url = "ws://127.0.0.1:8080/ws", format = "json"] = process.argv.slice(2);
const serializer = { json: JsonSerializer, msgpack: MsgpackSerializer, cbor: CborSerializer }[format];

// Subscribe first, then sync: so nothing is lost between the two.
async function follow(session) {
  const replica = new Replica();
  await session.subscribe("dstm.demo.delta", ({ argsList }) => replica.apply(argsList));
  const { argsDict } = await session.call("dstm.demo.sync");
  replica.begin(argsDict);
  return replica;
}

const join = async () => {
  const session = new Wampy(url, { ws: WebSocket, realm: "realm1", serializer: new serializer() });
  await session.connect();
  return session;
};

const [one, two] = await Promise.all([join(), join()]);
const [a, b] = await Promise.all([follow(one), follow(two)]);
console.log("A and B have received the object:", JSON.stringify(a.document) === JSON.stringify(b.document));

const base = a.version;
await two.call("dstm.demo.put", ["/hello", "world"]);
console.log("B has set hello to world");

const client = crypto.randomUUID().replaceAll("-", "");
const commit = {
  tx: `${client}:1`,
  epoch: a.epoch,
  base,
  reads: ["/hello"],
  ops: [{ op: "add", path: "/hello", value: "code camp" }],
};
await one
  .call("dstm.demo.commit", { argsList: [], argsDict: commit })
  .catch(({ errorUri, argsDict: { deltas } }) => {
    console.log("A is told:", errorUri, deltas.at(-1)[2].at(-1).value);
    a.apply(deltas);
  });

// Another transaction, on what A has learned.
const again = { ...commit, tx: `${client}:2`, base: a.version };
const { argsDict } = await one.call("dstm.demo.commit", { argsList: [], argsDict: again });
await Promise.all([a.until("code camp"), b.until("code camp")]);
console.log("A has", a.document.hello, "and B has", b.document.hello);
console.log("at the same version:", a.version === b.version && b.version === argsDict.version);
await Promise.all([one.disconnect(), two.disconnect()]);
