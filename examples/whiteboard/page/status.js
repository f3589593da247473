// What became of one's changes: a line on the connection, a list of the last ones, a notice for each that was refused.

import { byId, element } from "./page.js";

const STATES = { live: "Connected", joining: "Connecting", syncing: "Connecting", detached: "Offline", refused: "Refused" };
const LISTED = 20;
const WORDS = {
  draw: () => "a line",
  erase: () => "a line erased",
  addNote: () => "a note",
  moveNote: () => "a note moved",
  writeNote: (id, before, text) => `a note: ${text}`,
  removeNote: () => "a note removed",
  say: ({ text }) => `message: ${text}`,
  tidyChat: () => "old messages forgotten",
  openAuction: (id, item) => `auction of ${item}`,
  bid: (id, bidder, price) => `bid of ${price}`,
  closeAuction: () => "auction ended",
};

export function showStatus(board) {
  const told = new Set(); // ids of changes
  const show = () => {
    const { state, pending, changes } = board;
    byId("state").dataset.state = state;
    const waiting = pending ? `${pending} ${pending === 1 ? "change waits" : "changes wait"}` : "";
    byId("state-text").textContent = [STATES[state] ?? "Offline", waiting].filter(Boolean).join(", ");
    byId("pending").textContent = waiting && `(${waiting})`;
    byId("decided").replaceChildren(...changes.slice(-LISTED).reverse().map(line));
    for (const change of changes) {
      if (!["rejected", "unknown"].includes(change.status) || told.has(change.id)) continue;
      told.add(change.id);
      tell(change.status === "unknown" ? `Nobody knows whether this was done: ${words(change)}. Please look.` : sayWhy(change));
    }
  };
  board.onStatus(show);
  show();
}

const words = ({ name, args }) => WORDS[name]?.(...args) ?? name;

/** What a mutator of this page has thrown is for people already. */
const sayWhy = ({ reason, ...change }) => (reason?.uri ? `Refused, ${words(change)}: ${reason.text ?? reason.message}` : reason?.message ?? "Refused");

function line(change) {
  const { status, version } = change;
  return element("li", {}, element("span", { className: status === "pending" ? "waiting" : status, textContent: status === "committed" ? `committed, version ${version}` : status }), `: ${words(change)}`);
}

function tell(text) {
  const close = element("button", { type: "button", textContent: "Close" });
  const notice = element("p", {}, element("span", { textContent: text }), close);
  close.onclick = () => notice.remove();
  byId("notices").append(notice);
}
