// node --test: every scenario with dstm.js.

import assert from "node:assert";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import * as dstm from "../../router/web/dstm/dstm.js";
import { Document } from "../../router/web/dstm/document.js";
import { normalized } from "../../router/web/dstm/values.js";
import { runAll } from "./runner.mjs";

const cases = JSON.parse(readFileSync(new URL("scenarios.json", import.meta.url)));
const results = await runAll(cases, { ...dstm, Document, normalized });

test("there are scenarios of both kinds", () => assert.ok(cases.transactions.length > 20 && cases.sessions.length > 15));
for (const { name, why } of results) test(name, () => assert.equal(why, undefined));
