// Runs scenarios.json with dstm.js, in Node and in a browser alike: `runAll(cases, modules)` gives [{name, why?}].

const CLIENT_ID = /^[0-9a-f]{32}:\d+$/;

/** @param {{Space, Tx, orElse, DstmError, UnknownOutcome, Document, normalized}} dstm */
export async function runAll({ transactions, sessions }, dstm) {
  const results = [];
  for (const given of transactions) results.push(await run(`transaction: ${given.name}`, () => transaction(given, dstm)));
  for (const given of sessions) results.push(await run(`session: ${given.name}`, () => session(given, dstm)));
  return results;
}

async function run(name, test) {
  try {
    await test();
    return { name };
  } catch (error) {
    return { name, why: String(error?.stack ?? error) };
  }
}

// Transactions

function transaction(given, { Tx, orElse, Document, DstmError, normalized }) {
  const document = Document.of(normalized(given.document));
  const ran = Tx.run((tx) => steps(tx, given.steps, orElse), [], document, 7);
  if (given.raises) {
    same(ran.ended, "raised", "ended");
    same(ran.value instanceof DstmError ? ran.value.uri : ran.value instanceof RangeError ? "value" : String(ran.value), given.raises, "raises");
    return;
  }
  if (ran.ended === "raised") throw ran.value;
  same(ran.ended, given.ended ?? "done", "ended");
  if (given.waits) return same(ran.body.reads, given.waits, "waits");
  same(ran.body.reads, given.reads, "reads");
  same(ran.body.ops, given.ops, "ops");
  same(ran.body.publish, given.publish, "publish");
  if ("value" in given) same(ran.value, given.value, "value");
}

const METHODS = { setdefault: "setDefault" };

/** Do the steps, and give what the last one gave. */
function steps(tx, list, orElse) {
  let value;
  for (const [name, ...args] of list) {
    if (name === "or_else") value = orElse(...args[0].map((branch) => (inner) => steps(inner, branch, orElse)))(tx);
    else if (name === "retry_unless") {
      if (value !== args[0]) tx.retry();
    } else if (name === "nested") {
      try {
        tx.nested(() => steps(tx, args[0], orElse));
      } catch (error) {
        if (!error.uri) throw error;
      }
    } else value = tx[METHODS[name] ?? name](...args);
  }
  return value;
}

// Sessions

class Link {
  asked = []; // what waits for an answer: {what, answer}
  source = this;

  getOptions() {
    return {}; // as a client of wampy.js
  }

  call(procedure, { argsList, argsDict }) {
    return this.#ask(["call", procedure, argsList, argsDict], (kwargs) => ({ argsList: [], argsDict: kwargs }));
  }

  subscribe(topic, onEvent) {
    this.onEvent = onEvent;
    return this.#ask(["subscribe", topic], () => ({ subscriptionId: 1 }));
  }

  async unsubscribe() {}

  #ask(what, wrapped) {
    return new Promise((resolve, reject) => this.asked.push({ what, resolve: (kwargs) => resolve(wrapped(kwargs)), reject }));
  }
}

class Play {
  #names = new Map(); // "$1" -> tx
  #timers = [];
  #now = 0;
  links = [];
  outcomes = new Map();

  constructor(given, dstm) {
    this.dstm = dstm;
    this.space = new dstm.Space("s", {
      paths: given.paths,
      surroundings: {
        random: () => 0,
        warn: () => {},
        setTimeout: (input, ms) => this.#timers.push({ at: this.#now + ms, input }),
      },
    });
  }

  get link() {
    return this.links.at(-1);
  }

  async step(step) {
    for (const [name, value] of Object.entries(step)) if (this[`on_${name}`]) await this[`on_${name}`](value, step);
    await settled();
  }

  async on_attach() {
    const link = new Link();
    this.links.push(link);
    this.attaching = this.space.attach(link).then(
      () => (this.attached = true),
      () => (this.attached = false),
    );
    await settled();
  }

  on_attached(expected) {
    same(this.attached, expected, "attached");
  }

  on_expect(expected) {
    const unseen = this.link.asked.find((asked) => !asked.seen);
    if (!unseen) throw new Error(`nothing was asked, expected ${JSON.stringify(expected)}`);
    unseen.seen = true;
    same(this.#named(unseen.what), expected, "asked");
  }

  on_silence() {
    const unseen = this.link.asked.filter((asked) => !asked.seen).map((asked) => asked.what);
    same(unseen, [], "asked");
  }

  on_answer(kwargs, { answer_to = 0 }) {
    this.#take(answer_to).resolve(filled(kwargs));
  }

  on_error(uri, { details, answer_to = 0, settled: name }) {
    if (name) return;
    this.#take(answer_to).reject({ errorUri: uri, argsList: ["no"], argsDict: filled(details) });
  }

  on_event(deltas, { epoch = "e" }) {
    this.link.onEvent({ argsList: deltas.map(delta), argsDict: { epoch } });
  }

  async on_lose(reason) {
    this.space.detach(this.link, reason);
  }

  on_begin(name, { steps: list, strict }) {
    const { orElse } = this.dstm;
    this.space.transact({ each: (tx) => steps(tx, list, orElse), strict }).then(
      (committed) => this.outcomes.set(name, committed),
      (error) => this.outcomes.set(name, error),
    );
  }

  on_pending(name) {
    if (this.outcomes.has(name)) throw new Error(`${name} is settled: ${this.outcomes.get(name)}`);
  }

  on_settled(name, { version, value, error, unknown }) {
    const outcome = this.outcomes.get(name);
    if (!outcome) throw new Error(`${name} is not settled`);
    if (error ?? unknown) {
      same(outcome.uri, error ?? unknown, "uri");
      same(outcome instanceof this.dstm.UnknownOutcome, unknown !== undefined, "unknown");
    } else {
      same(outcome.version, version, "version");
      if (value !== undefined) same(outcome.value, value, "value");
    }
  }

  on_state(expected) {
    same(this.space.state, expected, "state");
  }

  on_version(expected, { settled: name }) {
    if (!name) same(this.space.version, expected, "version");
  }

  on_document(expected) {
    same(this.space.get(""), expected, "document");
  }

  async on_pass_ms(ms) {
    this.#now += ms;
    for (const timer of this.#timers.filter(({ at }) => at <= this.#now)) {
      this.#timers.splice(this.#timers.indexOf(timer), 1);
      timer.input();
    }
  }

  on_close() {
    this.space.close();
  }

  #take(index) {
    const asked = this.link.asked.splice(index, 1)[0];
    if (!asked) throw new Error("nothing waits for an answer");
    return asked;
  }

  /** Replace each tx by the name that the scenario has for it. */
  #named([kind, uri, args, kwargs]) {
    if (kind === "subscribe") return [kind, uri];
    if (!kwargs.tx) return [kind, uri, args, kwargs];
    if (!CLIENT_ID.test(kwargs.tx)) throw new Error(`${kwargs.tx} is no tx`);
    if (!this.#names.has(kwargs.tx)) this.#names.set(kwargs.tx, `$${this.#names.size + 1}`);
    return [kind, uri, args, { ...kwargs, tx: this.#names.get(kwargs.tx) }];
  }
}

async function session(given, dstm) {
  const play = new Play(given, dstm);
  for (const step of [...beginning(given.begins), ...given.steps]) await play.step(step);
}

/** Give the steps after which a replica is live, at this version. */
function beginning(begins) {
  if (!begins) return [];
  const snapshot = { epoch: "e", version: begins.version, hash: "hash", snapshot: begins.document };
  return [{ attach: true }, { expect: ["subscribe", "dstm.s.delta"] }, { answer: {} }, { expect: ["call", "dstm.s.sync", [], {}] }, { answer: snapshot }];
}

const HASH = "0123456789abcdef0123456789abcdef";
const delta = ([from, version, changes]) => [from, version, changes, { hash: HASH, time: 1 }];

/** Give what stands for itself, and deltas with their meta. */
function filled(kwargs) {
  return kwargs?.deltas ? { ...kwargs, deltas: kwargs.deltas.map(delta) } : kwargs;
}

/** Let every promise that can be settled be so. */
async function settled() {
  for (let turn = 0; turn < 20; turn++) await null;
}

function same(actual, expected, what) {
  const [one, other] = [canonical(actual), canonical(expected)];
  if (one !== other) throw new Error(`${what}: expected ${other}, got ${one}`);
}

function canonical(value) {
  if (value === undefined) return "undefined";
  return JSON.stringify(value, (_, it) =>
    it && typeof it === "object" && !Array.isArray(it) ? Object.fromEntries(Object.entries(it).sort(([a], [b]) => (a < b ? -1 : 1))) : it,
  );
}
