// The auction: one thing at a time, whoever has bid most holds it, who sells it ends it.

import { byId, newId, onSubmit } from "./page.js";

export function showAuction(board, me) {
  const show = (auction) => {
    const waiting = board.changes.some(({ name, status }) => name === "bid" && status === "pending");
    byId("lot").hidden = !auction;
    byId("open").hidden = Boolean(auction?.open);
    if (!auction) return;
    const { item, seller, bidder, price, bids, open } = auction;
    byId("item").textContent = item;
    byId("price").textContent = bids
      ? `${open ? "" : "Sold: "}${bidder} ${open ? "holds it at" : "has it for"} ${price}, after ${bids === 1 ? "one bid" : `${bids} bids`}${waiting && open ? " (yours is not confirmed)" : ""}.`
      : open ? `${seller} sells it, from ${price}.` : "Nobody wanted it.";
    byId("price").classList.toggle("waiting", waiting);
    byId("bid").hidden = !open;
    byId("sell").hidden = seller !== me.name;
    byId("amount").min = bids ? price + 1 : price;
    if (document.activeElement !== byId("amount")) byId("amount").value = bids ? price + 1 : price;
  };

  onSubmit(byId("open"), () => {
    const item = byId("thing").value.trim();
    if (item) board.mutate("openAuction", newId(), item, me.name, Number(byId("start").value));
    byId("thing").value = "";
  });
  onSubmit(byId("bid"), () => {
    board.mutate("bid", board.get("/auction/id"), me.name, Number(byId("amount").value));
    byId("amount").blur();
  });
  byId("amount").onfocus = () => byId("amount").select();
  byId("sell").onclick = () => board.mutate("closeAuction", board.get("/auction/id"));
  board.watch("/auction", show);
  board.onStatus(() => show(board.get("/auction")));
}
