// A result, an error, an event, progress and a cancel, with autobahn-js on Node 22 or newer:
//   npm install && node first_client.mjs [URL of the router] [json|msgpack|cbor]

import autobahn from "autobahn";

const [url = "ws://127.0.0.1:8080/ws", format = "json"] = process.argv.slice(2);
const { JSONSerializer, MsgpackSerializer, CBORSerializer } = autobahn.serializer;
const serializer = { json: JSONSerializer, msgpack: MsgpackSerializer, cbor: CBORSerializer }[format];

function divide([a, b], kwargs, details) {
  if (b === 0) throw new autobahn.Error("com.example.division_by_zero", [`${a} / 0`]);
  if (details.progress) details.progress([Math.floor(a / b)]);
  return a / b;
}

async function main(session) {
  await session.register("com.example.divide", divide);
  await session.register("com.example.wait", () => new Promise(() => {}));

  console.log("result:", await session.call("com.example.divide", [7, 2]));
  await session.call("com.example.divide", [7, 0]).catch(({ error, args }) => console.log("error:", error, args));

  let hear;
  const event = new Promise((resolve) => (hear = resolve));
  await session.subscribe("com.example.news", ([text]) => hear(text));
  session.publish("com.example.news", ["hello"], {}, { exclude_me: false });
  console.log("event:", await event);

  const call = session.call("com.example.divide", [7, 2], {}, { receive_progress: true });
  console.log("result:", await call.then(undefined, undefined, (part) => console.log("progress:", part)));

  const endless = session.call("com.example.wait");
  endless.cancel({ mode: "kill" }); // in the other modes autobahn-js takes the router's answer for an error
  await endless.catch(({ error }) => console.log("canceled:", error));
}

const connection = new autobahn.Connection({
  transports: [{ type: "websocket", url, serializers: [new serializer()] }],
  realm: "realm1",
  on_user_error: () => {}, // errors that a procedure throws go to the caller; do not log them here
});
connection.onopen = (session) => main(session).finally(() => connection.close());
connection.open();
