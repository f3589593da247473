// What others do in the realm, seen as it happens; and what the person does by hand.

import assert from "node:assert";
import { after, afterEach, before, test } from "node:test";

import { Browser } from "./person.mjs";
import { Router } from "./router.mjs";

let router;
let browser;
before(async () => ([router, browser] = await Promise.all([Router.start(), Browser.open()])));
afterEach(() => browser.forget());
after(() => Promise.all([browser?.close(), router?.close()]));

async function operator(hash) {
  const person = await browser.person(router.url, hash);
  await person.join({ Method: "Ticket", "Name (authid)": "tina", Ticket: "sesame" });
  await person.joined();
  return person;
}

test("a call goes to a procedure of another program, its result and its error are shown", async () => {
  const callee = router.begin("register", "com.example.upper", "--", "tr", "a-z", "A-Z");
  await callee.until("registered com.example.upper");
  const person = await operator("#/call");
  await person.fill("Procedure", "com.example.upper");
  await person.fill("args", '["hello"]');
  await person.press("Call");
  await person.see("COM.EXAMPLE.UPPER", '[aria-label="Answer"]');
  await person.fill("Procedure", "com.example.nobody");
  await person.press("Call");
  await person.see("wamp.error.no_such_procedure", '[aria-label="Answer"]');
  await person.fill("args", "[9007199254740993]");
  await person.see("is beyond 2^53");
  await callee.stop();
  person.check();
});

test("an event of another program arrives while one looks, and what one publishes arrives there", async () => {
  const person = await operator("#/subscribe");
  await person.fill("Topic", "com.example.news");
  await person.press("Subscribe");
  await person.see("com.example.news", '[aria-label="Subscriptions of this page"]');
  await person.page.waitForSelector('[aria-label="Subscriptions of this page"] [data-state="on"]');
  await router.client("publish", "com.example.news", '"extra extra"');
  await person.see("extra extra", '[aria-label="Events"]');
  const listener = router.begin("subscribe", "com.example.answer");
  await listener.until("subscribed com.example.answer");
  await person.go("#/publish");
  await person.fill("Topic", "com.example.answer");
  await person.fill("args", '["read it"]');
  await person.press("Publish");
  await listener.until("read it");
  await listener.stop();
  person.check();
});

test("a procedure that the person registers is answered as the form says", async () => {
  const person = await operator("#/register");
  await person.fill("Procedure", "com.example.echo");
  await person.fill("Answer with", "What came, as an echo");
  await person.press("Register");
  await person.page.waitForSelector('[aria-label="Registrations of this page"] [data-state="on"]');
  assert.deepEqual(JSON.parse(await router.client("call", "com.example.echo", "7", "--full")).args, [7]);
  await person.see("com.example.echo", '[aria-label="Invocations"]');
  person.check();
});

test("sessions, registrations and subscriptions follow; an operator ends a session", async () => {
  const person = await operator("#/sessions");
  const callee = router.begin("register", "com.example.slow", "--", "cat");
  await callee.until("registered com.example.slow");
  await person.see("2 joined.");
  await person.go("#/registrations");
  await person.see("com.example.slow", ".table-row");
  const listener = router.begin("subscribe", "com.example.topic");
  await listener.until("subscribed com.example.topic");
  await person.go("#/subscriptions");
  await person.see("com.example.topic", ".table-row");
  await listener.stop();
  await person.miss("com.example.topic", ".table-row");
  await person.go("#/sessions");
  await person.see("2 joined.");
  await person.page.evaluate(() => [...document.querySelectorAll(".table-row")].find((row) => row.innerText.includes("anonymous")).click());
  await person.press("End this session");
  await person.press("End it");
  await person.see("was ended.");
  await person.see("1 joined.");
  await callee.stop();
  person.check();
});

test("numbers and log lines come by themselves", async () => {
  const person = await operator("#/overview");
  await person.see("Calls/s");
  await person.page.waitForSelector(".uplot canvas");
  await router.client("call", "wamp.session.count");
  await person.page.waitForFunction(() => /Since the start\s+Calls\s+[1-9]/.test(document.body.innerText));
  await person.go("#/log");
  const refused = router.client("call", "--authmethod", "ticket", "--authid", "tina", "--secret", "wrong", "x.y").catch(() => {});
  await person.see("wrong ticket for 'tina'", "main");
  await refused;
  person.check();
});
