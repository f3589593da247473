// What the mutators decide, on documents alone: no browser, no router.

import assert from "node:assert";
import { test } from "node:test";

import { Document } from "../../../router/web/dstm/document.js";
import { Tx } from "../../../router/web/dstm/dstm.js";
import * as mutators from "../page/mutators.js";

/** Do [name, ...arguments] one after the other, as when one was committed before the other; give the document and what was thrown. */
function done(document, ...steps) {
  let now = Document.of(document);
  const thrown = [];
  for (const [name, ...args] of steps) {
    const ran = Tx.run(mutators[name], args, now, 1);
    if (ran.ended === "raised") thrown.push(ran.value.message);
    else now = ran.document;
  }
  return { board: now.root && JSON.parse(JSON.stringify(new Snapshot(now))), thrown };
}

class Snapshot {
  constructor(document) {
    this.toJSON = () => Tx.run((tx) => tx.get(""), [], document, 1).value;
  }
}

const NOTE = { x: 1, y: 2, colour: "red", text: "Bread", by: "Ann" };
const LOT = { id: "1", item: "Lamp", seller: "Ann", price: 10, bids: 0, open: true };

test("drawing, writing and noting depend on nothing, so they never conflict", () => {
  for (const [name, ...args] of [["draw", "a", { points: [1, 2] }], ["addNote", "n", NOTE], ["say", { id: "1", text: "Hello" }]]) {
    assert.deepEqual(Tx.run(mutators[name], args, Document.of({}), 0).body.reads, [], name);
  }
});

test("two people add to one note: both texts are there", () => {
  const { board } = done({ notes: { n: NOTE } }, ["writeNote", "n", "Bread", "Bread, milk"], ["writeNote", "n", "Bread", "Bread and eggs"]);
  assert.equal(board.notes.n.text, "Bread, milk\nand eggs");
});

test("two people write another text: both are there; the same text is there once", () => {
  const other = done({ notes: { n: NOTE } }, ["writeNote", "n", "Bread", "Milk"], ["writeNote", "n", "Bread", "Eggs"]);
  assert.equal(other.board.notes.n.text, "Milk\nEggs");
  const same = done({ notes: { n: NOTE } }, ["writeNote", "n", "Bread", "Milk"], ["writeNote", "n", "Bread", "Milk"]);
  assert.equal(same.board.notes.n.text, "Milk");
});

test("who writes on a note that was removed gets the text back", () => {
  const { board, thrown } = done({ notes: { n: NOTE } }, ["removeNote", "n"], ["writeNote", "n", "Bread", "Milk"], ["moveNote", "n", 5, 5], ["removeNote", "n"]);
  assert.deepEqual([board.notes, thrown], [{}, ["The note was removed. Your text was: Milk"]]);
});

test("of two bids the higher one holds, and equal ones go to the first", () => {
  const first = done({ auction: LOT }, ["bid", "1", "Ann", 10], ["bid", "1", "Bob", 10]);
  assert.deepEqual([first.board.auction.bidder, first.thrown], ["Ann", ["Your bid of 10 is too low: Ann has bid 10."]]);
  const { board, thrown } = done({ auction: LOT }, ["bid", "1", "Ann", 12], ["bid", "1", "Bob", 13]);
  assert.deepEqual([board.auction, thrown], [{ ...LOT, bidder: "Bob", price: 13, bids: 2 }, []]);
});

test("a bid below the start, and one after the end, are refused", () => {
  assert.deepEqual(done({ auction: LOT }, ["bid", "1", "Bob", 9]).thrown, ["Your bid of 9 is too low: the start is 10."]);
  const { board, thrown } = done({ auction: LOT }, ["closeAuction", "1"], ["bid", "1", "Bob", 30], ["openAuction", "2", "Chair", "Bob", 1], ["bid", "1", "Ann", 30]);
  assert.deepEqual([board.auction.item, thrown], ["Chair", Array(2).fill("Your bid came too late: the auction is over.")]);
});

test("one auction at a time", () => {
  assert.deepEqual(done({}, ["openAuction", "1", "Lamp", "Ann", 1], ["openAuction", "2", "Chair", "Bob", 1]).thrown, ["Lamp is being sold: one auction at a time."]);
});

test("the oldest messages are forgotten once, whoever does it", () => {
  const chat = Array.from({ length: 203 }, (_, id) => ({ id }));
  const { board } = done({ chat }, ["tidyChat"], ["tidyChat"]);
  assert.deepEqual([board.chat.length, board.chat[0].id], [200, 3]);
  assert.deepEqual(done({}, ["tidyChat"]).thrown, []);
});
