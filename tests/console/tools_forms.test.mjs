// The console's tools, as far as they need no page: typed JSON, forms, examples, what is kept of what comes, binary values.

import assert from "node:assert";
import { test } from "node:test";

import { bytesOf, hex } from "../../console/src/ui/binary.js";
import { BUILT_IN, MOST_EXAMPLES, merged, readExamples, writeExamples, wrongIn } from "../../console/src/views/tools/examples_file.js";
import { BLANK, requestOf } from "../../console/src/views/tools/forms.js";
import { readJson } from "../../console/src/views/tools/json_text.js";
import { Recent, summaryOf } from "../../console/src/views/tools/recent.js";

test("typed JSON gives what JSON.parse gives", () => {
  const texts = ["null", "[]", "{}", ' [1, -2.5e3, true, "a\\u00e9\\n\\"", {"a": {"b": [[]]}}]\n', "9007199254740991", "1e20", '{"__proto__": 1}'];
  for (const text of texts) assert.deepEqual(readJson(text), { value: JSON.parse(text) }, text);
  assert.deepEqual(readJson("  "), { value: undefined });
});

test("a mistake in JSON is told with its line and column", () => {
  const cases = {
    "[1,\n 2 3]": /^Line 2, column 4: "," or "\]" is expected/,
    "[1,]": /^Line 1, column 4: another member/,
    "{a: 1}": /^Line 1, column 2: a key in double quotes/,
    "{\"a\" 1}": /^Line 1, column 6: ":"/,
    "['a']": /^Line 1, column 2: texts have double quotes/,
    "[1": /^Line 1, column 3: "," or "\]"/,
    "[": /^Line 1, column 2: the text ends/,
    "[nul]": /^Line 1, column 2: a value/,
    "01": /^Line 1, column 1: this is no number/,
    "[1.]": /^Line 1, column 2: this is no number/,
    "-": /^Line 1, column 1: this is no number/,
    '"a': /^Line 1, column 1: this text has no closing quote/,
    '"a\nb"': /^Line 1, column 3: a line break/,
    '"\\x"': /^Line 1, column 2: "\\"/,
    "[] []": /^Line 1, column 4: nothing more/,
    '{"a": 1,\n"a": 2}': /^Line 2, column 1: the key "a" is there twice/,
    "1e999": /too large/,
  };
  for (const [text, expected] of Object.entries(cases)) {
    assert.match(readJson(text).error ?? "nothing", expected, text);
    const isRefusedByJson = !/twice|too large/.test(String(expected));
    if (isRefusedByJson) assert.throws(() => JSON.parse(text), SyntaxError, text);
  }
});

test("integers that a browser would change are refused, and depth has an end", () => {
  for (const text of ["9007199254740993", "-9007199254740992"]) assert.match(readJson(`[${text}]`).error, /column 2: -?\d+ is beyond 2\^53/);
  assert.match(readJson("[".repeat(100_000)).error, /deeper than 100/);
  assert.match(readJson("{}", "array").error, /list/);
  for (const text of ["[]", "null", "1"]) assert.match(readJson(text, "object").error, /object/);
});

test("a form of a call is its request, without what is as usual", () => {
  const plain = requestOf("call", { ...BLANK.call, procedure: " com.a " });
  assert.deepEqual(plain, { request: { procedure: "com.a", args: [], kwargs: {}, options: {}, receivesProgress: false }, errors: {} });
  const whole = { procedure: "com.a", args: "[1]", kwargs: '{"b": 2}', timeout: "50", receive_progress: true, disclose_me: true, options: '{"rkey": 7}' };
  const { request, errors } = requestOf("call", whole);
  assert.deepEqual(errors, {});
  assert.deepEqual(request, { procedure: "com.a", args: [1], kwargs: { b: 2 }, options: { timeout: 50, disclose_me: true, rkey: 7 }, receivesProgress: true });
});

test("each wrong field of a form is named", () => {
  const wrong = (tool, fields) => Object.keys(requestOf(tool, { ...BLANK[tool], ...fields }).errors).sort();
  assert.deepEqual(wrong("call", { args: "{}", kwargs: "[]", timeout: "soon", options: '{"receive_progress": true}' }), ["args", "kwargs", "options", "procedure", "timeout"]);
  assert.deepEqual(wrong("publish", { topic: "a", eligible: "1, x", exclude: "-1", options: '{"exclude_authid": []}' }), ["eligible", "exclude", "options"]);
  assert.deepEqual(wrong("subscribe", { topic: " " }), ["topic"]);
  assert.deepEqual(wrong("subscribe", { topic: "", match: "prefix" }), []);
  assert.deepEqual(wrong("register", { procedure: "a", answer: "error", error: "", options: '{"invoke": "all"}' }), ["error", "options"]);
  assert.deepEqual(wrong("register", { procedure: "a", answer: "echo", args: "no JSON" }), []);
});

test("options of publish, subscribe and register", () => {
  const options = (tool, fields) => requestOf(tool, { ...BLANK[tool], ...fields }).request.options;
  assert.deepEqual(options("publish", {}), { acknowledge: true });
  const typed = { acknowledge: false, exclude_me: false, retain: true, eligible: "1, 2", exclude: "3", options: '{"eligible_authrole": ["a"]}' };
  assert.deepEqual(options("publish", typed), { acknowledge: false, exclude_me: false, retain: true, eligible: [1, 2], exclude: [3], eligible_authrole: ["a"] });
  assert.deepEqual(options("subscribe", { match: "wildcard", get_retained: true }), { match: "wildcard", get_retained: true });
  assert.deepEqual(options("register", { match: "prefix", invoke: "random" }), { match: "prefix", invoke: "random" });
});

test("examples go to a file and come back", () => {
  const mine = { tool: "call", name: "Mine", form: { ...BLANK.call, procedure: "com.a", disclose_me: true } };
  const text = writeExamples([mine, ...BUILT_IN]);
  assert.deepEqual(JSON.parse(text).examples[0].form, { procedure: "com.a", disclose_me: true });
  assert.deepEqual(readExamples(text), { examples: [mine, ...BUILT_IN] });
  for (const one of BUILT_IN) assert.deepEqual([wrongIn(one), requestOf(one.tool, one.form).errors], [null, {}], one.name);
});

test("a file of examples that is wrong says where, and gives none of them", () => {
  const error = (...examples) => readExamples(JSON.stringify({ concord_examples: 1, examples })).error;
  const good = { tool: "call", name: "Good", form: {} };
  assert.match(readExamples("{").error, /no JSON/);
  for (const text of ["[]", "null", "{}", '{"concord_examples": 2, "examples": []}']) assert.match(readExamples(text).error, /no file of examples/);
  assert.match(error(good, null), /^Example 2: it is no object/);
  assert.match(error({ ...good, tool: "toString" }), /^Example 1 \(Good\): its tool is none/);
  assert.match(error({ ...good, name: " " }), /no name/);
  assert.match(error({ ...good, form: { procedure: 1 } }), /"procedure" is no text/);
  assert.match(error({ ...good, form: { constructor: "" } }), /"constructor" is no field of call/);
  assert.match(error({ ...good, form: { args: "1".repeat(20_001) } }), /more than 20000/);
  assert.match(error({ tool: "register", name: "a", form: { invoke: "all" } }), /"invoke" is none of/);
  assert.match(error(...Array(MOST_EXAMPLES + 1).fill(good)), /200 are kept at most/);
  assert.match(readExamples(" ".repeat(1_000_001)).error, /more than 1000000/);
});

test("an example takes the place of the one with its tool and name, and there is an end to how many are kept", () => {
  const one = (name, procedure) => ({ tool: "call", name, form: { procedure } });
  const { examples } = merged([one("b", "1"), one("a", "1")], [one("b", "2"), { ...one("a", "3"), tool: "register" }]);
  assert.deepEqual(examples.map(({ tool, name, form }) => [tool, name, form.procedure]), [["call", "a", "1"], ["register", "a", "3"], ["call", "b", "2"]]);
  const many = Array.from({ length: MOST_EXAMPLES }, (_, index) => one(`n${index}`, ""));
  assert.match(merged(many, [one("more", "")]).error, /201/);
});

test("of what comes the newest are kept, by number and by size", () => {
  const recent = new Recent(3, 1_000);
  for (let at = 1; at <= 10; at++) recent.add({ args: [at] });
  assert.deepEqual(recent.take().map(({ id, text }) => [id, text]), [[8, "[8]"], [9, "[9]"], [10, "[10]"]]);
  assert.deepEqual([recent.count, recent.forgotten], [10, 7]);
  recent.add({ args: [], kwargs: { a: "x".repeat(990) } });
  assert.deepEqual(recent.take().map(({ id }) => id), [11]);
  assert.deepEqual(recent.clear(), []);
  recent.add({ args: [1], kwargs: { b: 2 } });
  assert.deepEqual(recent.take().map(({ id, text }) => [id, text]), [[12, '[1] {"b":2}']]);
  assert.deepEqual([recent.count, recent.forgotten], [12, 0]);
});

test("what is very large is kept without what it holds", () => {
  const [only] = (() => {
    const recent = new Recent(3);
    recent.add({ args: ["x".repeat(1_000_000)] });
    return recent.take();
  })();
  assert.match(only.args[0], /^1000004 characters/);
  assert.ok(only.text.length < 500);
});

test("binary values are told from texts", () => {
  assert.deepEqual(bytesOf("\0AQL/"), Uint8Array.from([1, 2, 255]));
  assert.equal(hex(bytesOf("\0AQL/")), "01 02 ff");
  assert.equal(hex(new Uint8Array(3), 2), "00 00 …");
  assert.equal(summaryOf({ args: ["\0AQI=", "AQI="], kwargs: { a: "\0AQL/" } }).text, '[<2 bytes>,"AQI="] {"a":<3 bytes>}');
  for (const value of ["AQL/", "", "\0*", 1, null]) assert.equal(bytesOf(value), null);
});
