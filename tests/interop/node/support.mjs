// What the clients and the checks share.

import { createHash, createHmac, createPrivateKey, createPublicKey, pbkdf2Sync, randomBytes, sign } from "node:crypto";

// An ERROR or ABORT of the router or of a callee.
export class WampError extends Error {
  constructor(uri, args, kwargs) {
    super(`${uri} ${JSON.stringify(args)}`);
    Object.assign(this, { uri, args: args ?? [], kwargs: kwargs ?? {} });
  }
}

// A client's own limit: reported as such, not as a failure.
export class Cannot extends Error {}

// What a handler received, to be awaited in order.
export class Inbox {
  #items = [];
  #waiting = [];

  put = (item) => {
    if (this.#waiting.length) this.#waiting.shift()(item);
    else this.#items.push(item);
  };

  async take() {
    if (this.#items.length) return this.#items.shift();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
}

// An Ed25519 key pair from its private half in hexadecimal: {pubkey, answer(CHALLENGE.extra)}.
export function keyPair(secret) {
  const der = Buffer.concat([Buffer.from("302e020100300506032b657004220420", "hex"), Buffer.from(secret, "hex")]);
  const key = createPrivateKey({ key: der, format: "der", type: "pkcs8" });
  const pubkey = createPublicKey(key).export({ format: "der", type: "spki" }).subarray(-32).toString("hex");
  const answer = ({ challenge }) => sign(null, Buffer.from(challenge, "hex"), key).toString("hex") + challenge;
  return { pubkey, answer };
}

// WAMP-SCRAM by PBKDF2, as the specification has it: {nonce, answer(CHALLENGE.extra), verifier()}.
export function scram(authid, password) {
  const nonce = randomBytes(16).toString("base64");
  const hmac = (key, text) => createHmac("sha256", key).update(text).digest();
  const hash = (data) => createHash("sha256").update(data).digest();
  let verifier;
  const answer = (challenge) => {
    const { salt, iterations } = challenge;
    const salted = pbkdf2Sync(password, Buffer.from(salt, "base64"), iterations, 32, "sha256");
    const first = `n=${authid},r=${nonce},r=${challenge.nonce},s=${salt},i=${iterations}`;
    const message = `${first},c=${btoa("n,,")},r=${challenge.nonce}`;
    const clientKey = hmac(salted, "Client Key");
    const signature = hmac(hash(clientKey), message);
    verifier = hmac(hmac(salted, "Server Key"), message).toString("base64");
    const proof = clientKey.map((byte, index) => byte ^ signature[index]).toString("base64");
    return [proof, { nonce: challenge.nonce, channel_binding: null, cbind_data: null }];
  };
  return { nonce, answer, verifier: () => verifier };
}
