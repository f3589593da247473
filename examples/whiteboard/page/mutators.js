// What can be done to the board: the transaction functions that this page submits.
//
// Each may run many times, on any version: at once on what this page knows, again whenever others have changed that,
// and at last on the version on which it is committed. So each says what is meant, not what the result was, and decides
// about conflicts itself. What throws is refused, with its reason, once the server has said that what it read is so.
//
//     /strokes  {id: {colour, width, points: [x, y, x, y, ...]}}     places: 0..1600 and 0..1000, integers
//     /notes    {id: {x, y, colour, text, by}}
//     /chat     [{id, by, text, time}, ...]                          time: ms since 1970, of who wrote it
//     /auction  {id, item, seller, price, bidder?, bids, open}       price: whole coins
//     /people   {id: {name, colour}}                                 who is here, see people.js

const KEPT_MESSAGES = 200;

// Blind ops conflict with nothing: two people draw, write and add at the same time, and both are there.

export function draw(tx, id, stroke) {
  tx.merge("/strokes", { [id]: stroke });
}

export function addNote(tx, id, note) {
  tx.merge("/notes", { [id]: note });
}

export function say(tx, message) {
  tx.push("/chat", message);
}

/** Forget the oldest messages; any page does it, and if several do it at once, it happens once. */
export function tidyChat(tx) {
  const surplus = (tx.get("/chat")?.length ?? 0) - KEPT_MESSAGES;
  for (let i = 0; i < surplus; i++) tx.delete("/chat/0");
}

// Two people may erase, move or remove the same thing: the first does it, or the last has the word.

export function erase(tx, id) {
  tx.delete(`/strokes/${id}`);
}

export function moveNote(tx, id, x, y) {
  if (tx.has(`/notes/${id}`)) tx.merge(`/notes/${id}`, { x, y });
}

export function removeNote(tx, id) {
  tx.delete(`/notes/${id}`);
}

/** Write `text` where `before` was read. If someone else has written there meanwhile, both texts are kept. */
export function writeNote(tx, id, before, text) {
  const note = tx.get(`/notes/${id}`);
  if (!note) throw new Error(`The note was removed. Your text was: ${text}`);
  tx.set(`/notes/${id}/text`, note.text === before || note.text === text ? text : both(before, note.text, text));
}

/** What two people made of one text: theirs, then what the second one added, or all of hers. */
function both(before, theirs, mine) {
  const added = mine.startsWith(before) ? mine.slice(before.length).trim() : mine;
  return added ? `${theirs}\n${added}` : theirs;
}

// The auction is decided by what is there, and by nothing else: the transaction reads it, so that of two bids one comes first.

export function openAuction(tx, id, item, seller, price) {
  const running = tx.get("/auction");
  if (running?.open) throw new Error(`${running.item} is being sold: one auction at a time.`);
  tx.set("/auction", { id, item, seller, price, bids: 0, open: true });
}

export function bid(tx, id, bidder, price) {
  const auction = tx.get("/auction");
  if (auction?.id !== id || !auction.open) throw new Error("Your bid came too late: the auction is over.");
  const [least, holder] = auction.bids ? [auction.price + 1, `${auction.bidder} has bid ${auction.price}`] : [auction.price, `the start is ${auction.price}`];
  if (price < least) throw new Error(`Your bid of ${price} is too low: ${holder}.`);
  tx.merge("/auction", { price, bidder, bids: auction.bids + 1 });
}

export function closeAuction(tx, id) {
  const auction = tx.get("/auction");
  if (auction?.id === id && auction.open) tx.set("/auction/open", false);
}
