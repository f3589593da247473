// What a JavaScript client does with the router, autobahn-js and wampy.js alike.
//
// A check joins with its own sessions, `one` and `two`; all checks run at the same time, so URIs are
// the check's own. That something does not arrive is shown by what arrives next.
//
// A session: id, details (of WELCOME), serializer, left (inbox of {reason, message}), and
//   call(uri, args, kwargs, options) -> {args, kwargs}; the promise has cancel()
//   register(uri, (args, kwargs, details) => {args, kwargs}, options) -> id
//   subscribe(uri, ({args, kwargs, details}) => ..., options) -> a function that unsubscribes
//   publish(uri, args, kwargs, options) -> publication id, always acknowledged
//   leave() -> {reason}; drop() leaves where that has not happened

import assert from "node:assert/strict";
import { Inbox, WampError } from "./support.mjs";

const UNICODE = "grüße ☃ 𝄞 \u2028 \u0001 日本語";
const BINARY = Uint8Array.from({ length: 256 }, (_, byte) => byte);
const BIG = "0123456789abcdef".repeat(31_250); // 500 kB

async function both(client) {
  return Promise.all([client.join("one"), client.join("two")]);
}

async function leave(...sessions) {
  for (const session of sessions) await session.leave();
}

async function refused(promise) {
  try {
    await promise;
  } catch (error) {
    if (error instanceof WampError) return error;
    throw error;
  }
  return assert.fail("no error");
}

// A promise and what settles it.
function deferred() {
  const parts = {};
  parts.promise = new Promise((resolve) => Object.assign(parts, { resolve }));
  return parts;
}

// Bytes as an application gives them to the client: JSON has none, so it writes the string that WAMP defines.
function bytes(session, data) {
  return session.serializer === "json" ? `\0${Buffer.from(data).toString("base64")}` : data;
}

function sameBytes(session, received) {
  const data = session.serializer === "json" ? Buffer.from(received.slice(1), "base64") : received;
  assert.deepEqual([...data], [...BINARY]);
}

export const checks = {
  async join_anonymous(client) {
    const session = await client.join("one");
    assert.equal(session.details.authrole, "guest");
    assert.equal(session.details.authmethod, "anonymous");
    assert.ok(session.details.authid);
    assert.ok(Number.isSafeInteger(session.id) && session.id > 0);
    await leave(session);
  },

  async join_ticket(client) {
    const session = await client.join("one", { authid: "tina", method: "ticket" });
    assert.equal(session.details.authid, "tina");
    assert.equal(session.details.authrole, "member");
    await leave(session);
  },

  async join_wampcra(client) {
    const session = await client.join("one", { authid: "carl", method: "wampcra" });
    assert.equal(session.details.authid, "carl");
    await leave(session);
  },

  async join_wampcra_salted(client) {
    const session = await client.join("one", { authid: "sally", method: "wampcra" });
    assert.equal(session.details.authid, "sally");
    await leave(session);
  },

  async join_cryptosign(client) {
    const session = await client.join("one", { authid: "dora", method: "cryptosign" });
    assert.equal(session.details.authid, "dora");
    assert.equal(session.details.authrole, "member");
    await leave(session);
  },

  async join_wamp_scram(client) {
    const session = await client.join("one", { authid: "perry", method: "wamp-scram" });
    assert.equal(session.details.authid, "perry");
    assert.equal(session.details.authextra.verifier, session.verifier);
    await leave(session);
  },

  async join_refused(client) {
    const secrets = { wampcra: "wrong", cryptosign: "ff".repeat(32), ticket: "wrong" };
    for (const [method, secret] of Object.entries(secrets)) {
      const authid = { wampcra: "carl", cryptosign: "dora", ticket: "tina" }[method];
      const wrong = await refused(client.join("one", { authid, method, secret }));
      const unknown = await refused(client.join("one", { authid: "nobody", method, secret }));
      assert.equal(wrong.uri, "wamp.error.authentication_denied");
      assert.equal(unknown.message, wrong.message);
    }
  },

  async join_wamp_scram_refused(client) {
    for (const authid of ["perry", "old", "nobody"]) {
      const wrong = await refused(client.join("one", { authid, method: "wamp-scram", secret: "wrong" }));
      assert.equal(wrong.uri, "wamp.error.authentication_denied");
    }
  },

  async call(client) {
    const [one, two] = await both(client);
    await one.register("call.add", (args, { c }) => ({ args: [args[0] + args[1] + c] }));
    assert.deepEqual((await two.call("call.add", [2, 3], { c: 4 })).args, [9]);
    await one.register("call.mirror", (args, kwargs) => ({ args, kwargs }));
    const values = [null, true, -1, 2 ** 53 - 1, -(2 ** 40), 0.5, "text", [1, [2, []]], { a: { b: [] } }];
    const mirrored = await two.call("call.mirror", values, { key: values });
    assert.deepEqual(mirrored.args, values);
    assert.deepEqual(mirrored.kwargs, { key: values });
    await leave(one, two);
  },

  // A big message and a small one, sent at once: the ids must not overtake each other.
  async order(client) {
    const [one, two] = await both(client);
    await one.register("order.mirror", (args) => ({ args }));
    const answers = await Promise.all([BIG, "small", BIG, "small"].map((text) => two.call("order.mirror", [text])));
    assert.deepEqual(answers.map(({ args }) => args[0].length), [BIG.length, 5, BIG.length, 5]);
    await leave(one, two);
  },

  async error(client) {
    const [one, two] = await both(client);
    await one.register("error.fail", ([reason]) => {
      throw new WampError("error.of.app", [reason, 7], { detail: { why: reason } });
    });
    const error = await refused(two.call("error.fail", ["because"]));
    assert.equal(error.uri, "error.of.app");
    assert.deepEqual(error.args, ["because", 7]);
    assert.deepEqual(error.kwargs, { detail: { why: "because" } });
    assert.equal((await refused(two.call("error.nothing"))).uri, "wamp.error.no_such_procedure");
    const again = await refused(two.register("error.fail", () => ({})));
    assert.equal(again.uri, "wamp.error.procedure_already_exists");
    await leave(one, two);
  },

  async publish(client) {
    const [one, two] = await both(client);
    const inbox = new Inbox();
    const unsubscribe = await one.subscribe("publish.topic", inbox.put);
    assert.ok(await two.publish("publish.topic", [1, "two"], { three: [3] }));
    const { args, kwargs } = await inbox.take();
    assert.deepEqual([args, kwargs], [[1, "two"], { three: [3] }]);
    await unsubscribe();
    await two.publish("publish.topic", ["unheard"]);
    await one.subscribe("publish.other", inbox.put);
    await two.publish("publish.other", ["next"]);
    assert.deepEqual((await inbox.take()).args, ["next"]);
    await leave(one, two);
  },

  async exclude_me(client) {
    const [one, two] = await both(client);
    const [mine, theirs] = [new Inbox(), new Inbox()];
    await one.subscribe("exclude.topic", mine.put);
    await two.subscribe("exclude.topic", theirs.put);
    await one.publish("exclude.topic", ["not to me"]);
    await two.publish("exclude.topic", ["only me"], undefined, { eligible: [one.id] });
    await one.publish("exclude.topic", ["not two"], undefined, { exclude: [two.id] });
    await two.publish("exclude.topic", ["not to them"]);
    await one.publish("exclude.topic", ["last"]);
    assert.deepEqual([(await mine.take()).args, (await mine.take()).args], [["only me"], ["not to them"]]);
    assert.deepEqual([(await theirs.take()).args, (await theirs.take()).args], [["not to me"], ["last"]]);
    await leave(one, two);
  },

  async include_me(client) {
    const one = await client.join("one");
    const inbox = new Inbox();
    await one.subscribe("include.topic", inbox.put);
    await one.publish("include.topic", ["to myself"], undefined, { exclude_me: false });
    assert.deepEqual((await inbox.take()).args, ["to myself"]);
    await leave(one);
  },

  async progressive_results(client) {
    const [one, two] = await both(client);
    await one.register("progress.count", ([to], _, details) => {
      for (let number = 0; number < to; number++) details.progress([number], { half: number / 2 });
      return { args: ["done"] };
    });
    const inbox = new Inbox();
    const answer = await two.call("progress.count", [3], undefined, { onProgress: inbox.put });
    assert.deepEqual(answer.args, ["done"]);
    for (let number = 0; number < 3; number++) {
      const { args, kwargs } = await inbox.take();
      assert.deepEqual([args, kwargs], [[number], { half: number / 2 }]);
    }
    await leave(one, two);
  },

  async cancel(client) {
    const [one, two] = await both(client);
    const [started, late] = [new Inbox(), deferred()];
    await one.register("cancel.wait", () => {
      started.put();
      return late.promise;
    });
    await one.register("cancel.alive", () => ({ args: ["alive"] }));
    const call = two.call("cancel.wait");
    await started.take();
    call.cancel();
    assert.equal((await refused(call)).uri, "wamp.error.canceled");
    late.resolve({ args: ["too late"] });
    assert.deepEqual((await two.call("cancel.alive")).args, ["alive"]);
    await leave(one, two);
  },

  async timeout(client) {
    const [one, two] = await both(client);
    const late = deferred();
    await one.register("timeout.wait", () => late.promise);
    await one.register("timeout.alive", () => ({ args: ["alive"] }));
    const before = performance.now();
    const error = await refused(two.call("timeout.wait", [], undefined, { timeout: 100 }));
    assert.equal(error.uri, "wamp.error.timeout");
    const took = performance.now() - before;
    assert.ok(took > 90 && took < 5_000, `${took} ms`);
    late.resolve({ args: ["too late"] });
    assert.deepEqual((await two.call("timeout.alive")).args, ["alive"]);
    await leave(one, two);
  },

  async pattern_subscription(client) {
    const [one, two] = await both(client);
    const [prefix, wildcard] = [new Inbox(), new Inbox()];
    await one.subscribe("pattern.news", prefix.put, { match: "prefix" });
    await one.subscribe("pattern..sport", wildcard.put, { match: "wildcard" });
    const topics = ["pattern.news.sport", "pattern.old.sport", "pattern.news.sport.skiing"];
    for (const topic of topics) await two.publish(topic, [topic]);
    for (const [inbox, expected] of [[prefix, [topics[0], topics[2]]], [wildcard, [topics[0], topics[1]]]]) {
      for (const topic of expected) {
        const { args, details } = await inbox.take();
        assert.deepEqual([args, details.topic], [[topic], topic]);
      }
    }
    await leave(one, two);
  },

  async pattern_registration(client) {
    const [one, two] = await both(client);
    for (const [match, uri] of [["exact", "match.a.b"], ["prefix", "match.a"], ["wildcard", "match..b"]]) {
      await one.register(uri, (args, kwargs, details) => ({ args: [match, details.procedure ?? uri] }), { match });
    }
    assert.equal((await two.call("match.a.b")).args[0], "exact");
    assert.deepEqual((await two.call("match.a.c")).args, ["prefix", "match.a.c"]);
    assert.deepEqual((await two.call("match.z.b")).args, ["wildcard", "match.z.b"]);
    await leave(one, two);
  },

  async shared_registration(client) {
    const [one, two] = await both(client);
    await one.register("shared.who", () => ({ args: ["one"] }), { invoke: "roundrobin" });
    await two.register("shared.who", () => ({ args: ["two"] }), { invoke: "roundrobin" });
    const answers = [];
    for (let i = 0; i < 4; i++) answers.push((await one.call("shared.who")).args[0]);
    assert.deepEqual(answers, ["one", "two", "one", "two"]);
    await leave(one, two);
  },

  async disclosure(client) {
    const [one, two] = await both(client);
    const who = (args, kwargs, { caller, caller_authrole }) => ({ args: [caller ?? 0, caller_authrole ?? ""] });
    await one.register("disclosure.who", who);
    assert.deepEqual((await two.call("disclosure.who", [], {}, { disclose_me: true })).args, [two.id, "guest"]);
    assert.deepEqual((await two.call("disclosure.who")).args, [0, ""]);
    const inbox = new Inbox();
    await one.subscribe("disclosure.topic", inbox.put);
    await two.publish("disclosure.topic", [], {}, { disclose_me: true });
    await two.publish("disclosure.topic", []);
    const [known, unknown] = [(await inbox.take()).details, (await inbox.take()).details];
    assert.deepEqual([known.publisher, known.publisher_authrole], [two.id, "guest"]);
    assert.deepEqual([unknown.publisher, unknown.publisher_authrole], [undefined, undefined]);
    await leave(one, two);
  },

  async binary(client) {
    const [one, two] = await both(client);
    const received = new Inbox();
    await one.register("binary.mirror", (args) => {
      received.put(args[0]);
      return { args };
    });
    for (const data of [BINARY, Buffer.from(BINARY)]) {
      sameBytes(two, (await two.call("binary.mirror", [bytes(two, data)])).args[0]);
      sameBytes(one, await received.take());
    }
    await leave(one, two);
  },

  async unicode(client) {
    const [one, two] = await both(client);
    await one.register("unicode.größe", (args, kwargs) => ({ args, kwargs }));
    const { args, kwargs } = await two.call("unicode.größe", [UNICODE], { [UNICODE]: UNICODE });
    assert.deepEqual([args, kwargs], [[UNICODE], { [UNICODE]: UNICODE }]);
    await leave(one, two);
  },

  async big(client) {
    const [one, two] = await both(client);
    await one.register("big.mirror", (args) => ({ args }));
    assert.ok((await two.call("big.mirror", [BIG])).args[0] === BIG);
    const inbox = new Inbox();
    await one.subscribe("big.topic", inbox.put);
    await two.publish("big.topic", [BIG]);
    assert.ok((await inbox.take()).args[0] === BIG);
    await leave(one, two);
  },

  async retained(client) {
    const [one, two] = await both(client);
    for (const text of ["old", "new"]) await two.publish("retained.topic", [text], {}, { retain: true });
    const inbox = new Inbox();
    await one.subscribe("retained.topic", inbox.put, { get_retained: true });
    const { args, details } = await inbox.take();
    assert.deepEqual([args, details.retained], [["new"], true]);
    await leave(one, two);
  },

  async meta(client) {
    const [one, two] = await both(client);
    const sessions = async () => (await one.call("wamp.session.list")).args[0];
    assert.ok((await sessions()).includes(one.id) && (await sessions()).includes(two.id));
    assert.ok((await one.call("wamp.session.count")).args[0] >= 2);
    const [details] = (await one.call("wamp.session.get", [two.id])).args;
    assert.deepEqual([details.session, details.authrole], [two.id, "guest"]);
    const id = await two.register("meta.procedure", () => ({}));
    assert.deepEqual((await one.call("wamp.registration.match", ["meta.procedure"])).args, [id]);
    assert.deepEqual((await one.call("wamp.registration.list_callees", [id])).args, [[two.id]]);
    const left = new Inbox();
    await one.subscribe("wamp.session.on_leave", ({ args }) => args[0] === two.id && left.put(args));
    await leave(two);
    await left.take();
    assert.ok(!(await sessions()).includes(two.id));
    await leave(one);
  },

  async testament(client) {
    const [one, two] = await both(client);
    const inbox = new Inbox();
    await one.subscribe("testament.topic", inbox.put);
    await two.call("wamp.session.add_testament", ["testament.topic", ["farewell"], { to: "all" }]);
    await leave(two);
    const { args, kwargs } = await inbox.take();
    assert.deepEqual([args, kwargs], [["farewell"], { to: "all" }]);
    await leave(one);
  },

  async passthru(client) {
    const [one, two] = await both(client);
    const options = { ppt_scheme: "x_test", ppt_serializer: "json" };
    await one.register("passthru.mirror", (args, kwargs, details) => ({ args: [...args, details.ppt_scheme], kwargs, options }));
    const answer = await two.call("passthru.mirror", ["hidden"], { key: 1 }, options);
    assert.deepEqual([answer.args, answer.kwargs], [["hidden", "x_test"], { key: 1 }]);
    const inbox = new Inbox();
    await one.subscribe("passthru.topic", inbox.put);
    await two.publish("passthru.topic", ["hidden"], { key: 1 }, options);
    const { args, kwargs } = await inbox.take();
    assert.deepEqual([args, kwargs], [["hidden"], { key: 1 }]);
    await leave(one, two);
  },

  // wampy.js tells the application that the connection is gone, not why.
  async kill(client) {
    const [one, two] = await both(client);
    await one.call("wamp.session.kill", [two.id], { reason: "com.example.begone", message: "sorry" });
    const { reason } = await two.left.take();
    assert.ok(reason === undefined || reason === "com.example.begone", reason);
    assert.equal((await refused(one.call("wamp.session.get", [two.id]))).uri, "wamp.error.no_such_session");
    await leave(one);
  },

  async goodbye(client) {
    const { reason } = await (await client.join("one")).leave();
    assert.ok(reason === undefined || reason === "wamp.close.goodbye_and_out", reason);
  },
};
