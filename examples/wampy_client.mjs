// A result, an error, an event, progress and a cancel, with wampy.js on Node 20 or newer:
//   npm install && node wampy_client.mjs [URL of the router] [json|msgpack|cbor]

import { Wampy } from "wampy";
import { CborSerializer } from "wampy/CborSerializer.js";
import { JsonSerializer } from "wampy/JsonSerializer.js";
import { MsgpackSerializer } from "wampy/MsgpackSerializer.js";
import WebSocket from "ws";

const [url = "ws://127.0.0.1:8080/ws", format = "json"] = process.argv.slice(2);
const serializer = { json: JsonSerializer, msgpack: MsgpackSerializer, cbor: CborSerializer }[format];

function divide({ argsList: [a, b], details, result_handler }) {
  if (b === 0) throw { error: "com.example.division_by_zero", argsList: [`${a} / 0`] };
  if (details.receive_progress) result_handler({ argsList: [Math.floor(a / b)], options: { progress: true } });
  return [a / b];
}

const caller = new Wampy(url, { ws: WebSocket, realm: "realm1", serializer: new serializer() });
const callee = new Wampy(url, { ws: WebSocket, realm: "realm1", serializer: new serializer() });
await Promise.all([caller.connect(), callee.connect()]);
await callee.register("com.example.divide", divide);
await callee.register("com.example.wait", () => new Promise(() => {}));

const answer = await caller.call("com.example.divide", [7, 2]);
console.log("result:", answer.argsList[0]);
await caller
  .call("com.example.divide", [7, 0])
  .catch(({ errorUri, argsList }) => console.log("error:", errorUri, argsList));

let hear;
const event = new Promise((resolve) => (hear = resolve));
await callee.subscribe("com.example.news", ({ argsList }) => hear(argsList[0]));
await caller.publish("com.example.news", ["hello"]);
console.log("event:", await event);

const progress_callback = ({ argsList }) => console.log("progress:", argsList[0]);
const last = await caller.call("com.example.divide", [7, 2], { progress_callback });
console.log("result:", last.argsList[0]);

const endless = caller.call("com.example.wait");
caller.cancel(caller.getOpStatus().reqId);
await endless.catch(({ errorUri }) => console.log("canceled:", errorUri));

await Promise.all([caller.disconnect(), callee.disconnect()]);
