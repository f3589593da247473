// How one may prove who one is: what each method asks the user for, and what it gives the client.
//
// Rules of this file:
// - A secret lives in memory only, for the time in which the page may have to join again.
// - What only some need is loaded when it is needed.

/** method -> {title, fields, hint}: `fields` of "authid" and "secret". */
export const METHODS = {
  anonymous: { title: "Anonymous", fields: [] },
  ticket: { title: "Ticket", fields: ["authid", "secret"], secret: "Ticket" },
  wampcra: { title: "Password (WAMP-CRA)", fields: ["authid", "secret"], secret: "Password" },
  cryptosign: { title: "Key (cryptosign)", fields: ["authid", "secret"], secret: "Private key, 64 hexadecimal digits" },
};

/**
 * Give the options of the client with which `credentials` join.
 *
 * credentials: {realm, method, authid, secret}. Throws an Error whose message says what is wrong with them.
 */
export async function optionsFor({ realm, method, authid, secret }) {
  if (method === "anonymous") return { realm, helloCustomDetails: { authmethods: ["anonymous"] } };
  const extra = method === "cryptosign" ? await publicKeyOf(secret) : {};
  return {
    realm,
    authid,
    authmethods: [method],
    authextra: extra,
    onChallenge: await answerer(method, secret),
  };
}

async function answerer(method, secret) {
  if (method === "ticket") return () => secret;
  if (method === "cryptosign") return (await import("wampy/cryptosign.js")).sign(secret);
  if (!globalThis.crypto?.subtle) throw new Error("The browser computes passwords only over https, or on the machine itself.");
  return (await import("wampy/wampcra.js")).sign(secret);
}

async function publicKeyOf(secret) {
  if (!/^[0-9a-fA-F]{64}$/.test(secret)) throw new Error("A private key is 64 hexadecimal digits.");
  const { default: nacl } = await import("tweetnacl");
  const bytes = (text) => Uint8Array.from(text.match(/../g), (pair) => Number.parseInt(pair, 16));
  const { publicKey } = nacl.sign.keyPair.fromSeed(bytes(secret));
  return { pubkey: [...publicKey].map((byte) => byte.toString(16).padStart(2, "0")).join("") };
}
