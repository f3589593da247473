// Two people, each with a browser of their own, and one whose network is cut, against a router that runs.
//
//     ROUTER=http://127.0.0.1:8080 CHROMIUM=/usr/bin/chromium npm test      (these are the defaults)
//
// The board must be a new one. What is drawn and written is looked at in both browsers: they must show the same, and
// everything that was done exactly once.

import assert from "node:assert";
import { after, before, test } from "node:test";

import { cable } from "./cable.mjs";
import { Person } from "./person.mjs";

const ROUTER = process.env.ROUTER ?? "http://127.0.0.1:8080";
const SCREENSHOTS = process.env.SCREENSHOTS; // a directory, if they are wanted

let [wire, ann, bob] = [];

before(async () => {
  wire = await cable(ROUTER);
  ann = await Person.open("Ann", ROUTER);
  bob = await Person.open("Bob", wire.url, { scheme: "dark" });
  await Promise.all([ann.isOnline(), bob.isOnline()]);
});

after(async () => {
  await Promise.all([ann?.close(), bob?.close()]);
  wire?.close();
});

async function shoot(name) {
  if (SCREENSHOTS) await Promise.all([ann, bob].map((person) => person.screenshot(`${SCREENSHOTS}/${name}-${person.name.toLowerCase()}.png`)));
}

/** Wait until both have nothing that waits, and see the same; give that. */
async function agreed() {
  for (let turn = 0; ; turn++) {
    const [one, other] = await Promise.all([ann.seen(), bob.seen()]);
    const waits = await Promise.all([ann, bob].map(({ page }) => page.$eval("#pending", (found) => found.textContent)));
    const isSame = JSON.stringify(one) === JSON.stringify(other);
    if (isSame && !waits.join("")) return one;
    assert.ok(turn < 200, `Ann sees ${JSON.stringify(one)}, Bob sees ${JSON.stringify(other)}; ${waits}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

const saidBy = (messages, name) => messages.filter((line) => line.startsWith(name)).map((line) => line.slice(name.length));
const shows = (person, ...texts) => Promise.all(texts.map((text) => person.until(text, (part) => document.body.innerText.includes(part), text)));

test("what one does, the other sees at once", async () => {
  await ann.draw([0.1, 0.3], [0.3, 0.7], [0.5, 0.3]);
  await ann.addNote("Bring the lamp");
  await ann.say("Hello Bob");
  await ann.sell("Lamp", 10);
  await shows(bob, "Hello Bob", "Lamp");
  await bob.bid(12);
  await bob.say("Hello Ann");
  await shows(ann, "Hello Ann", "Bob holds it at 12");
  const { strokes, notes, messages } = await agreed();
  assert.equal(strokes.length, 1);
  assert.match(notes[0], /Bring the lamp$/);
  assert.deepEqual(messages, ["AnnHello Bob", "BobHello Ann"]);
  await shoot("together");
});

test("each sees who is there, and who has gone", async () => {
  await ann.until("Bob", () => document.querySelector("#people").textContent === "Bob");
  await bob.until("Ann", () => document.querySelector("#people").textContent === "Ann");
  wire.cut();
  await ann.until("nobody", () => document.querySelector("#people").textContent === "");
  wire.mend();
  await ann.until("Bob again", () => document.querySelector("#people").textContent === "Bob");
});

test("both work on while the network of one is cut, and the page is loaded again without it", async () => {
  await bob.isOnline();
  await bob.isKept();
  wire.cut();
  await bob.isOffline();

  await bob.draw([0.6, 0.2], [0.8, 0.6]);
  await bob.draw([0.65, 0.2], [0.85, 0.6]);
  await bob.addNote("Bob's own");
  await bob.writeNote("Bring the lamp and a bulb");
  await bob.say("Is somebody there?");
  await bob.bid(15);
  await shows(bob, "Bob holds it at 15", "not confirmed");

  await ann.draw([0.1, 0.9], [0.4, 0.9]);
  await ann.writeNote("Bring the lamp, please");
  await ann.say("Bob is away");
  await ann.bid(20);
  await shows(ann, "Ann holds it at 20");
  await shoot("apart");

  const seen = await bob.seen();
  await bob.reload();
  await shows(bob, "Bob holds it at 15");
  await bob.isOffline();
  assert.deepEqual(await bob.seen(), seen, "a page that starts offline shows what was there, and what waits");
  await bob.say("Still nobody");
});

test("then both converge: nothing is lost, nothing is there twice, and who had to give way is told why", async () => {
  wire.mend();
  await bob.isOnline();
  const { strokes, notes, messages, lot } = await agreed();
  assert.equal(strokes.length, 4);
  assert.equal(notes.length, 2);
  assert.ok(notes.some((note) => note.endsWith("Bring the lamp, please\nand a bulb")), "both texts of the note are kept");
  assert.ok(notes.some((note) => note.endsWith("Bob's own")));
  assert.deepEqual(saidBy(messages, "Bob"), ["Hello Ann", "Is somebody there?", "Still nobody"]);
  assert.deepEqual(saidBy(messages, "Ann"), ["Hello Bob", "Bob is away"]);
  assert.deepEqual(lot, ["Lamp", "Ann holds it at 20, after 2 bids."]);
  assert.deepEqual(await bob.notices(), ["Your bid of 15 is too low: Ann has bid 20."]);
  assert.deepEqual(await ann.notices(), []);
  await bob.page.click("#changes summary");
  await shoot("converged");
});

test("a network that is cut again and again, whatever is on its way, loses and doubles nothing", async () => {
  const said = [];
  for (let round = 0; round < 8; round++) {
    for (const part of ["a", "b", "c"]) {
      said.push(`round ${round}${part}`);
      await bob.say(said.at(-1));
    }
    wire.cut(); // at another moment of a commit each time
    await new Promise((resolve) => setTimeout(resolve, 40 * round));
    wire.mend();
    if (round % 2) await bob.isOnline();
  }
  await bob.isOnline();
  const { messages } = await agreed();
  assert.deepEqual(saidBy(messages, "Bob").filter((text) => text.startsWith("round")), said);
});

test("what the browser calls offline is offline, and what it calls online is tried at once", async () => {
  await bob.page.setOfflineMode(true);
  wire.cut();
  await bob.isOffline();
  await bob.say("in a tunnel");
  wire.mend();
  await bob.page.setOfflineMode(false);
  await shows(ann, "in a tunnel");
  const { messages } = await agreed();
  assert.equal(messages.filter((text) => text.includes("in a tunnel")).length, 1);
});

test("of two tabs one has the connection; when it closes, the other one takes over", async () => {
  const first = bob.page;
  bob.page = await bob.browser.newPage();
  bob.listen(bob.page);
  await bob.page.goto(wire.url);
  await bob.isOnline();
  await bob.say("from the second tab");
  await shows(ann, "from the second tab");
  await first.close();
  await bob.say("from the tab that is left");
  await shows(ann, "from the tab that is left");
  await bob.isOnline();
  const { messages } = await agreed();
  assert.equal(messages.filter((text) => text.includes("tab")).length, 2);
});

test("the pages had no errors", () => assert.deepEqual([...ann.errors, ...bob.errors], []));
