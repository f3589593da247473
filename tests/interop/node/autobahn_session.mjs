// autobahn-js as the checks see a client: see checks.mjs for what each method means.

import autobahn from "autobahn";
import nacl from "tweetnacl";
import { Cannot, Inbox, scram, WampError } from "./support.mjs";

const SERIALIZERS = {
  json: autobahn.serializer.JSONSerializer,
  msgpack: autobahn.serializer.MsgpackSerializer,
  cbor: autobahn.serializer.CBORSerializer,
};

export class AutobahnSession {
  static async join(transport, realm, authentication) {
    const session = new AutobahnSession();
    session.left = new Inbox();
    session.serializer = transport.serializer;
    await session.#open(transport, realm, authentication);
    return session;
  }

  #open(transport, realm, { authid, method, secret } = {}) {
    const { serializer, ...where } = transport;
    const key = method === "cryptosign" && nacl.sign.keyPair.fromSeed(Buffer.from(secret, "hex"));
    const password = method === "wamp-scram" && scram(authid, secret);
    this.connection = new autobahn.Connection({
      transports: [where.type === "websocket" ? { ...where, serializers: [new SERIALIZERS[serializer]()] } : where],
      realm,
      authid,
      authmethods: method && [method],
      authextra: key ? { pubkey: autobahn.auth_cryptosign.public_key(key) } : password ? { nonce: password.nonce } : undefined,
      max_retries: 0,
      retry_if_unreachable: false,
      on_user_error: () => {},
      onchallenge: (_, challenged, extra) => {
        if (challenged === "ticket") return secret;
        if (challenged === "cryptosign") return autobahn.auth_cryptosign.sign_challenge(key, extra);
        if (challenged === "wamp-scram") return password.answer(extra);
        const { challenge, salt, iterations, keylen } = extra;
        const derived = salt ? autobahn.auth_cra.derive_key(secret, salt, iterations, keylen) : secret;
        return autobahn.auth_cra.sign(derived, challenge);
      },
    });
    return new Promise((resolve, reject) => {
      this.connection.onopen = (session, details) => {
        this.session = session;
        this.details = details;
        this.id = session.id;
        this.verifier = password && password.verifier();
        resolve();
      };
      this.connection.onclose = (reason, details) => {
        this.left.put({ reason: details.reason, message: details.message });
        reject(new WampError(details.reason ?? reason, [details.message], {}));
        return true; // do not connect again
      };
      this.connection.open();
    });
  }

  call(uri, args, kwargs, { onProgress, ...options } = {}) {
    if (options.ppt_scheme) throw new Cannot("pass payloads through");
    if (onProgress) options.receive_progress = true;
    const call = this.session.call(uri, args, kwargs, options);
    const answer = call.then(result, failed, (value) => onProgress(result(value)));
    // With any other mode it forgets the call, and takes the router's ERROR for a breach of protocol.
    answer.cancel = () => call.cancel({ mode: "kill" });
    return answer;
  }

  async register(uri, procedure, options) {
    const endpoint = async (args, kwargs, details) => {
      try {
        const answer = await procedure(args, kwargs, { ...details, progress: details.progress });
        return new autobahn.Result(answer.args, answer.kwargs);
      } catch (error) {
        throw new autobahn.Error(error.uri ?? "program.error", error.args ?? [String(error)], error.kwargs);
      }
    };
    const registration = await this.session.register(uri, endpoint, options).then(undefined, failed);
    return registration.id;
  }

  async subscribe(uri, handler, options) {
    const subscription = await this.session
      .subscribe(uri, (args, kwargs, details) => handler({ args, kwargs, details }), options)
      .then(undefined, failed);
    return () => subscription.unsubscribe();
  }

  async publish(uri, args, kwargs, options) {
    if (options?.ppt_scheme) throw new Cannot("pass payloads through");
    const published = await this.session
      .publish(uri, args, kwargs, { acknowledge: true, ...options })
      .then(undefined, failed);
    return published.id;
  }

  async leave() {
    if (this.connection.isOpen) this.connection.close("wamp.close.normal");
    return this.left.take();
  }

  async drop() {
    if (this.connection.isOpen) await this.leave();
  }
}

function result(value) {
  if (value instanceof autobahn.Result) return { args: value.args, kwargs: value.kwargs };
  return { args: value === null ? [] : [value], kwargs: {} };
}

function failed(error) {
  throw error instanceof autobahn.Error ? new WampError(error.error, error.args, error.kwargs) : error;
}
