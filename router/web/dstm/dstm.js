// DSTM for browsers and Node: shared objects that are changed in transactions and kept in step with the server.
//
//     import { open } from "./dstm.js";
//     const bank = await open(session, "bank");   // a session of autobahn-js, or a client of wampy.js
//     await bank.atomically((tx) => {
//       if (tx.get("/ann") < 5) tx.retry();        // sleep until something read here changes
//       tx.inc("/ann", -5);
//       tx.inc("/bob", 5);
//     });
//     bank.watch("/ann", show);

import { Space } from "./space.js";

export { autobahnConnector, wampyConnector } from "./connection.js";
export { DstmError, UnknownOutcome } from "./errors.js";
export { offline, OfflineSpace } from "./offline.js";
export { Snapshot } from "./replica.js";
export { Space } from "./space.js";
export { indexedDbStore, memoryStore } from "./store.js";
export { orElse, Tx } from "./tx.js";

/** Make a Space and attach an open session to it: see Space and Space.attach. */
export function open(session, name, options = {}) {
  return new Space(name, options).attach(session);
}
