// A space in two tabs: transactions, their conflicts as they happen, history, undo.

import assert from "node:assert";
import { after, afterEach, before, test } from "node:test";

import { Browser } from "./person.mjs";
import { Router } from "./router.mjs";

let router;
let browser;
before(async () => ([router, browser] = await Promise.all([Router.start(), Browser.open()])));
afterEach(() => browser.forget());
after(() => Promise.all([browser?.close(), router?.close()]));

async function open(space) {
  const person = await browser.person(router.url, `#/spaces/${space}`);
  if (await person.page.waitForSelector(".login-form, .dstm").then((found) => found.evaluate((element) => element.matches(".login-form")))) await person.join();
  await person.joined();
  await person.page.waitForSelector("[role=treeitem]");
  return person;
}

async function edit(person, pointer, text) {
  await person.choose(pointer);
  await person.press("Edit");
  await person.fill("Value", text);
}

test("two tabs edit one value: the later one has a conflict, sees what is there, and wins by writing again", async () => {
  await router.client("call", "dstm.demo.put", "/bank", '{"ann": 10, "bob": 20, "a/b": {"~": [1, 2]}}');
  const one = await open("demo");
  const other = await open("demo");
  await edit(one, "/bank/ann", "11");
  await edit(other, "/bank/ann", "12");
  await other.press("Commit");
  await other.see("Committed at version 2");
  await one.see("It has changed meanwhile: it is 12 now.");
  await one.press("Commit");
  await one.see("Conflict: /bank/ann is 12 now");
  await one.see("You saw 10 There is now 12 You wanted 11", ".dstm-conflict");
  await one.see("version 2", ".dstm-conflict");
  await one.press("Write mine");
  await one.see("Committed at version 3");
  await one.sees("/bank/ann", "11");
  await other.sees("/bank/ann", "11");
  for (const person of [one, other]) {
    person.check();
    await person.page.close();
  }
});

test("members are added, renamed and removed, lists appended to, numbers added to, whatever their names", async () => {
  const person = await open("demo");
  await person.choose("/bank");
  await person.press("Add a member");
  await person.fill("Name", "eve");
  await person.fill("Value", '{"x": 1');
  await person.see("This is no JSON");
  await person.fill("Value", '{"x": 1}');
  await person.keys("Control+Enter");
  await person.choose("/bank/eve/x");
  await person.press("Add to it");
  await person.fill("Amount", "41");
  await person.press("Commit");
  await person.sees("/bank/eve/x", "42");
  await person.choose("/bank/a~1b/~0");
  await person.press("Append");
  await person.fill("New last element", '"three"');
  await person.press("Commit");
  await person.sees("/bank/a~1b/~0", "[3]");
  await person.choose("/bank/eve");
  await person.press("Rename");
  await person.fill("New name", "__proto__");
  await person.see("is not allowed");
  await person.fill("New name", "bob");
  await person.press("Commit");
  await person.see("Conflict: something is at /bank/bob already");
  await person.choose("/bank/eve");
  await person.press("Remove");
  await person.see("Remove /bank/eve Committed at version");
  const { bank } = JSON.parse(await router.client("call", "dstm.demo.get", "=", "--full")).args[0];
  assert.deepEqual(bank, { ann: 11, bob: 20, "a/b": { "~": [1, 2, "three"] } });
  person.check();
});

test("what breaks a constraint is refused with the reason, and what was typed is not lost", async () => {
  await router.client("call", "dstm.board.put", "/stock", "5");
  const person = await open("board");
  await edit(person, "/stock", "-1");
  await person.press("Commit");
  await person.see("Rejected:");
  await person.see("(dstm.error.constraint)");
  await person.press("Edit again");
  assert.equal(await person.page.$eval("textarea", (field) => field.value), "-1");
  await person.sees("/stock", "5");
  person.check();
});

test("history is walked version by version, and a version is undone unless it was changed again since", async () => {
  for (const value of ["1", "2", "3"]) await router.client("call", "dstm.board.put", "/count", value);
  const person = await open("board");
  await person.press("History");
  await person.page.waitForSelector("[role=slider], input[type=range]");
  await person.press("One version back");
  await person.see("/count 1 → 2");
  await person.sees("/count", "2");
  await person.press("Undo this version");
  await person.press("Undo it");
  await person.see("Conflict: changed again since: /count");
  await person.press("Cancel");
  await person.press("One version on");
  await person.see("/count 2 → 3");
  await person.press("Undo this version");
  await person.press("Undo it");
  await person.see("was undone by version");
  await person.press("Back to now");
  await person.sees("/count", "2");
  person.check();
});
