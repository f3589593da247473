// autobahn-js joins by a TLS certificate, and prints what it is told.
//
//   node tls_program.mjs URL AUTHORITY CERTIFICATE KEY
//
// autobahn-js uses the global WebSocket, which in a browser has the browser's certificates; here it is one of `ws`
// with the files' own.

import { readFileSync } from "node:fs";
import WebSocket from "ws";

const [url, ...files] = process.argv.slice(2);
const [ca, cert, key] = files.map((file) => readFileSync(file));

globalThis.WebSocket = class extends WebSocket {
  constructor(url, protocols) {
    super(url, protocols, { ca, cert, key });
  }
};
globalThis.console = new console.Console(process.stderr);

const { default: autobahn } = await import("autobahn");
const connection = new autobahn.Connection({ url, realm: "interop", authmethods: ["tls"], max_retries: 0 });

function end(report) {
  process.stdout.write(JSON.stringify(report), () => process.exit(0));
}

connection.onopen = (_, details) => end({ details });
connection.onclose = (_, { reason }) => {
  end({ reason });
  return true;
};
connection.open();
