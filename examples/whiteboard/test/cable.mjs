// The way between a browser and the router, which can be cut: a port of this machine that passes everything on.

import { connect, createServer } from "node:net";

/** Give {url, cut, mend, cutSilently, close} for a router at `target`, as http://127.0.0.1:8080. */
export async function cable(target) {
  const { hostname, port } = new URL(target);
  const open = new Set();
  let [isCut, isSilent] = [false, false];
  const server = createServer((near) => {
    if (isCut) return near.destroy();
    const far = connect(port, hostname);
    for (const [one, other] of [[near, far], [far, near]]) {
      open.add(one);
      one.on("data", (data) => isSilent || other.write(data));
      one.on("error", () => {});
      one.on("close", () => {
        open.delete(one);
        if (!isSilent) other.destroy();
      });
    }
  });
  await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
  const drop = () => open.forEach((socket) => socket.destroy());

  return {
    url: `http://127.0.0.1:${server.address().port}/`,
    /** Break all connections; new ones are refused. */
    cut() {
      isCut = true;
      drop();
    },
    /** Let nothing through any more, and tell nobody. */
    cutSilently() {
      isSilent = true;
    },
    mend() {
      drop();
      [isCut, isSilent] = [false, false];
    },
    close() {
      server.close();
      drop();
    },
  };
}
