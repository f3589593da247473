// The chat: messages in the order in which the server has committed them, with one's own that wait at the end.

import { byId, element, newId, onSubmit } from "./page.js";

const TOO_MANY = 250; // then the oldest are forgotten, see tidyChat

export function showChat(board, me) {
  const list = byId("messages");
  const show = () => {
    const messages = board.get("/chat", []);
    const waiting = new Set(board.changes.filter(({ name, status }) => name === "say" && status === "pending").map(({ args }) => args[0].id));
    const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
    list.replaceChildren(
      ...messages.map(({ id, by, text, time }) =>
        element("li", { title: new Date(time).toLocaleString(), className: waiting.has(id) ? "pending" : "", dataset: { id } }, element("b", { textContent: by }), text),
      ),
    );
    if (!messages.length) list.append(element("li", { textContent: "Nobody has said anything yet." }));
    if (atEnd) list.scrollTop = list.scrollHeight;
    if (messages.length > TOO_MANY && !board.pending) board.mutate("tidyChat");
  };
  onSubmit(byId("say"), () => {
    const text = byId("text").value.trim();
    if (text) board.mutate("say", { id: newId(), by: me.name, text, time: Date.now() });
    byId("text").value = "";
  });
  board.watch("/chat", show);
  board.onStatus(show);
}
