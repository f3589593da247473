// Who joins, how, and what is said where it fails; what a role may not see.

import assert from "node:assert";
import { after, afterEach, before, test } from "node:test";

import { Browser } from "./person.mjs";
import { KEY, Router } from "./router.mjs";

let router;
let browser;
before(async () => ([router, browser] = await Promise.all([Router.start(), Browser.open()])));
afterEach(() => browser.forget());
after(() => Promise.all([browser?.close(), router?.close()]));

const METHODS = [
  ["Ticket", { "Name (authid)": "tina", Ticket: "sesame" }, "tina as operator"],
  ["Password (WAMP-CRA)", { "Name (authid)": "carl", Password: "open sesame" }, "carl as operator"],
  ["Key (cryptosign)", { "Name (authid)": "kim", "Private key, 64 hexadecimal digits": KEY }, "kim as operator"],
];

for (const [method, fields, who] of METHODS) {
  test(`one joins by ${method}, not with something wrong, and not by what the browser keeps`, async () => {
    const person = await browser.person(router.url);
    const wrong = Object.fromEntries(Object.entries(fields).map(([label, value]) => [label, label.startsWith("Name") ? value : value.replace(/^./, (first) => (first === "0" ? "1" : "0"))]));
    await person.join({ Method: method, ...wrong });
    await person.page.waitForSelector(".notice.error");
    await person.see("wamp.error.", ".notice.error");
    await person.join(fields);
    await person.joined();
    await person.see(who, ".who");
    const kept = await person.page.evaluate(() => JSON.stringify({ ...localStorage }) + JSON.stringify({ ...sessionStorage }) + document.cookie);
    for (const [label, secret] of Object.entries(fields)) if (!label.startsWith("Name")) assert.ok(!kept.includes(secret), kept);
    await person.page.reload();
    await person.see("Join a realm of this router.");
    person.check();
  });
}

test("anonymous users are back after a reload, until they leave", async () => {
  const person = await browser.person(router.url);
  await person.join({ Method: "Anonymous" });
  await person.joined();
  await person.page.reload();
  await person.joined();
  await person.press("Leave");
  await person.see("Join a realm of this router.");
  await person.page.reload();
  await person.see("Join a realm of this router.");
  person.check();
});

test("a realm that is not there is named", async () => {
  const person = await browser.person(router.url);
  await person.join({ Realm: "nowhere", Method: "Anonymous" });
  await person.see("wamp.error.no_such_realm", ".notice.error");
});

test("a role that may see nothing is told so, in every view, and nothing breaks", async () => {
  const person = await browser.person(router.url);
  await person.join({ Realm: "realm1", Method: "Ticket", "Name (authid)": "gus", Ticket: "guest" });
  await person.joined();
  for (const view of ["overview", "sessions", "registrations", "subscriptions", "slow", "log", "spaces", "spaces/demo"]) {
    await person.go(`#/${view}`);
    await person.see("Role guest may not see", "main");
    assert.equal(await person.page.$("main .table-row"), null, view);
  }
  person.check();
});
