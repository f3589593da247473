// The page: a space that works offline, and its parts.
//
// Each part shows what the board has at one pointer, and changes it by mutators alone (mutators.js). Whether there is a
// network is nobody's concern but dstm.js's, and of the line that tells the user.

import { indexedDbStore, offline, Space, wampyConnector } from "./dstm/dstm.js";
import { Wampy } from "./lib/wampy.js";
import { showAuction } from "./auction.js";
import { showBoard } from "./board.js";
import { showChat } from "./chat.js";
import * as mutators from "./mutators.js";
import { person, showPeople } from "./people.js";
import { showStatus } from "./status.js";

navigator.serviceWorker?.register("sw.js").catch((error) => console.warn("this page will not start offline:", error));
navigator.storage?.persist?.(); // what was changed offline must not be evicted

const url = new URL("/ws", location.href);
url.protocol = url.protocol.replace("http", "ws");

const board = await offline(new Space("board"), {
  mutators,
  store: await indexedDbStore("whiteboard"),
  connect: wampyConnector((options) => new Wampy(url.href, { ...options, realm: "whiteboard" })),
});

const me = await person();
showPeople(board, me);
showBoard(board, me);
showChat(board, me);
showAuction(board, me);
showStatus(board);
