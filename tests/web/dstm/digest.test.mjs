// The digest is the server's: SHA-256 of the canonical form (RFC 8785).

import assert from "node:assert";
import { createHash } from "node:crypto";
import { test } from "node:test";

import { digest } from "../../../router/web/dstm/digest.js";
import { Document } from "../../../router/web/dstm/document.js";

const sha256 = (text) => createHash("sha256").update(text).digest("hex");

test("of what RFC 8785 writes", async () => {
  const value = { "\u20ac": "Euro", "\r": "Return", "\ufb33": "Hebrew", 1: "One", "\ud83d\ude00": "Emoji", "\u0080": "Control", "ö": [1e30, 4.5, 2e-3, 1e-27, 0, true, null] };
  const canonical =
    '{"\\r":"Return","1":"One","\u0080":"Control","ö":[1e+30,4.5,0.002,1e-27,0,true,null],"€":"Euro","😀":"Emoji","\ufb33":"Hebrew"}';
  assert.equal(await digest(Document.of(value), async () => {}), sha256(canonical));
});

test("in slices, with pauses between them", async () => {
  const value = Object.fromEntries(Array.from({ length: 20_000 }, (_, n) => [String(n).padStart(6, "0"), { n }]));
  let pauses = 0;
  const found = await digest(Document.of(value), async () => void pauses++);
  assert.equal(found, sha256(JSON.stringify(value)));
  assert.ok(pauses >= 5);
});
