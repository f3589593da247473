// Who is here. A person's entry is bound to the session that made it: the server removes it when that ends.
//
// It is made by a plain transaction and no mutator, since it says what is so now: offline, nobody is here, and what one was
// an hour ago need not be told.

import { byId, element, newId } from "./page.js";

const KEPT = "whiteboard person";
const LINGER_MS = 1500; // a reload is no farewell

/** Give who uses this browser, {id, name}; asks for the name once. */
export async function person() {
  const me = JSON.parse(localStorage.getItem(KEPT) ?? "null") ?? { id: newId(), name: "" };
  if (!me.name) await rename(me);
  return me;
}

/** Ask for the name. */
function rename(me) {
  const dialog = byId("naming");
  byId("name").value = me.name || `Guest ${1 + Math.floor(Math.random() * 99)}`;
  dialog.showModal();
  byId("name").select();
  return new Promise((done) => {
    dialog.onclose = () => {
      me.name = byId("name").value.trim() || "Guest";
      localStorage.setItem(KEPT, JSON.stringify(me));
      done();
    };
  });
}

export function showPeople(board, me) {
  let announced = false; // over the connection in use

  const announce = (tx) => {
    if (!tx.has("/people")) tx.set("/people", {});
    tx.set(`/people/${me.id}`, { name: me.name }, { bind: "session", linger_ms: LINGER_MS });
  };
  const look = () => {
    if (board.state === "live" && !announced) board.space.atomically(announce).catch((error) => console.warn("not announced:", error.message));
    announced = board.state === "live" || (announced && board.state === "syncing");
    show();
  };
  const show = () => {
    const people = board.state === "live" ? Object.entries(board.get("/people", {})) : [];
    const others = people.filter(([id]) => id !== me.id).map(([, { name }]) => element("li", { textContent: name }));
    byId("people").replaceChildren(...others);
    byId("me").textContent = me.name;
  };

  byId("me").onclick = async () => {
    await rename(me);
    announced = false;
    look();
  };
  board.watch("/people", show);
  board.onStatus(look);
  look();
}
