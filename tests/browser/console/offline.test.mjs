// Without the router: the page that goes on by itself after a crash, and the space that a device keeps.

import assert from "node:assert";
import { after, afterEach, before, test } from "node:test";

import { cable } from "../../../examples/whiteboard/test/cable.mjs";
import { Browser } from "./person.mjs";
import { Router } from "./router.mjs";

let router;
let browser;
let network;
before(async () => ([router, browser] = await Promise.all([Router.start(), Browser.open()])));
afterEach(async () => {
  network?.close();
  await browser.forget();
});
after(() => Promise.all([browser?.close(), router?.close()]));

const version = async () => JSON.parse(await router.client("call", "dstm.board.get", "=", "--full")).kwargs.version;

async function set(person, pointer, text) {
  await person.choose(pointer);
  await person.press("Edit");
  await person.fill("Value", text);
  await person.press("Commit");
}

test("the router is killed and comes back: the page resumes by itself, and what it follows goes on", async () => {
  await router.client("call", "dstm.demo.put", "/a", "1");
  const person = await browser.person(router.url, "#/spaces/demo");
  await person.join({ Method: "Ticket", "Name (authid)": "tina", Ticket: "sesame" });
  await person.sees("/a", "1");
  await person.page.evaluate(() => (globalThis.samePage = true));
  await router.kill();
  await person.see("What is shown is as it was before.");
  await person.sees("/a", "1");
  await router.run();
  await person.joined();
  await person.see("Live", ".page-title");
  await router.client("call", "dstm.demo.put", "/a", "2");
  await person.sees("/a", "2");
  await person.go("#/sessions");
  await person.see("tina", ".table-row");
  const joiner = router.begin("subscribe", "com.example.topic");
  await person.see("2 joined.");
  await joiner.stop();
  await person.see("1 joined.");
  assert.ok(await person.page.evaluate(() => globalThis.samePage), "the page was not loaded again");
  person.check();
});

test("a space that the device keeps is edited without the router, over a reload, and committed once", async () => {
  await router.client("call", "dstm.board.put", "/note", '"one"');
  await router.client("call", "dstm.board.put", "/stock", "5");
  const person = await browser.person(router.url, "#/spaces/board");
  await person.join({ Method: "Anonymous" });
  await person.sees("/note", '"one"');
  await person.page.evaluate(() => navigator.serviceWorker.ready.then(() => undefined));
  await person.press("Keep on this device", "switch");
  await person.see("Live", ".page-title");
  const before = await version();
  await person.page.waitForFunction(isKept, {}, before);
  await router.kill();
  await person.see("What is shown is as it was before.");
  await set(person, "/note", '"two"');
  await person.see("Waits for the router", "[data-status=pending]");
  await person.sees("/note", '"two"');
  await set(person, "/stock", "-1");
  await person.see("Set /stock to -1 Waits for the router", "[data-status=pending]");
  await person.page.reload();
  await person.see("What is shown is kept on this device.");
  await person.sees("/note", '"two"');
  await set(person, "/note", '"three"');
  await person.see('Set /note to "three" Waits for the router', "[data-status=pending]");
  await router.run();
  await person.see('Set /note to "two" Committed at version');
  await person.see('Set /note to "three" Committed at version');
  await person.see("Set /stock to -1 Rejected");
  await person.sees("/stock", "5");
  const { args, kwargs } = JSON.parse(await router.client("call", "dstm.board.get", "=", "--full"));
  assert.deepEqual(args, [{ note: "three", stock: 5 }]);
  assert.equal(kwargs.version, before + 2, "each change once");
  await person.page.reload();
  await person.sees("/note", '"three"');
  assert.equal(await version(), before + 2, "and not again after a reload");
  person.check();
});

test("who changed something meanwhile is not overwritten by what was done without the network", async () => {
  await router.client("call", "dstm.board.put", "/note", '"one"');
  network = await cable(router.url);
  const person = await browser.person(network.url, "#/spaces/board");
  await person.join({ Method: "Anonymous" });
  await person.sees("/note", '"one"');
  await person.press("Keep on this device", "switch");
  await person.see("Live", ".page-title");
  await person.page.waitForFunction(isKept, {}, await version());
  network.cut();
  await person.see("What is shown is as it was before.");
  await set(person, "/note", '"mine"');
  await person.see("Waits for the router", "[data-status=pending]");
  await router.client("call", "dstm.board.put", "/note", '"theirs"');
  network.mend();
  await person.see('Conflict: /note is "theirs" now');
  await person.sees("/note", '"theirs"');
  await person.press("Write mine");
  await person.sees("/note", '"mine"');
  await person.see("Committed at version", "[data-status=committed]");
  await person.press("Keep on this device", "switch");
  await person.see("Live", ".page-title");
  await person.page.waitForFunction(async () => (await indexedDB.databases()).length === 0, { polling: 50 });
  person.check();
});

test("who joins by a secret works on after a reload without the router, and types the secret before anything is committed", async () => {
  await router.client("call", "dstm.demo.put", "/b", "1");
  const person = await browser.person(router.url, "#/spaces/demo");
  await person.join({ Method: "Ticket", "Name (authid)": "tina", Ticket: "sesame" });
  await person.sees("/b", "1");
  await person.page.evaluate(() => navigator.serviceWorker.ready.then(() => undefined));
  await person.press("Keep on this device", "switch");
  await person.page.waitForFunction(isKept, {}, 1);
  await router.kill();
  await person.page.reload();
  await person.see("What is shown is kept on this device.");
  await set(person, "/b", "2");
  await person.see("Waits for the router", "[data-status=pending]");
  await router.run();
  await person.press("Join");
  await person.see("On this device Work without the router. Changes are committed after you have joined again. demo realm1, tina");
  await person.fill("Ticket", "sesame");
  await person.press("Join");
  await person.joined();
  await person.see("Set /b to 2 Committed at version");
  assert.deepEqual(JSON.parse(await router.client("call", "dstm.demo.get", "/b", "--full")).args, [2]);
  person.check();
});

test("a network that swallows everything before one has joined is told, and joining goes on by itself when it is mended", async () => {
  network = await cable(router.url);
  const person = await browser.person(network.url);
  await person.see("Join a realm of this router.");
  network.cutSilently();
  await person.join({ Method: "Anonymous" });
  await person.see("The router does not answer.");
  network.mend();
  await person.joined();
  person.check();
});

/** In the page: tell whether the replica of this version is in the database. */
async function isKept(version) {
  const [found] = await indexedDB.databases();
  if (!found) return false;
  const database = await new Promise((resolve, reject) => {
    const request = indexedDB.open(found.name);
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
  const head = await new Promise((resolve) => {
    const request = database.transaction("replicas").objectStore("replicas").get("head");
    request.onsuccess = () => resolve(request.result);
  });
  database.close();
  return head?.version >= version;
}
