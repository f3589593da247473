// wampy.js as the checks see a client: see checks.mjs for what each method means.

import WebSocket from "ws";
import { Wampy } from "wampy";
import { CborSerializer } from "wampy/CborSerializer.js";
import { JsonSerializer } from "wampy/JsonSerializer.js";
import { MsgpackSerializer } from "wampy/MsgpackSerializer.js";
import { sign } from "wampy/wampcra.js";
import { Cannot, Inbox, keyPair, WampError } from "./support.mjs";

const SERIALIZERS = { json: JsonSerializer, msgpack: MsgpackSerializer, cbor: CborSerializer };

export class WampySession {
  static async join(transport, realm, { authid, method, secret } = {}) {
    if (method === "wamp-scram") throw new Cannot("send anything but a signature");
    const key = method === "cryptosign" && keyPair(secret);
    const session = new WampySession();
    session.left = new Inbox();
    session.serializer = transport.serializer;
    session.wampy = new Wampy(transport.url, {
      ws: WebSocket,
      realm,
      serializer: new SERIALIZERS[transport.serializer](),
      uriValidation: "loose",
      autoReconnect: false,
      onClose: () => session.left.put({}),
      ...(method && {
        authid,
        authmethods: [method],
        ...(key && { authextra: { pubkey: key.pubkey } }),
        onChallenge: key ? (_, extra) => key.answer(extra) : method === "ticket" ? () => secret : sign(secret),
      }),
    });
    session.details = await session.wampy.connect().catch(failed);
    session.id = plain(session.wampy.getSessionId());
    return session;
  }

  call(uri, args, kwargs, { onProgress, ...options } = {}) {
    if (onProgress) options.progress_callback = (answer) => onProgress(received(answer));
    const call = this.wampy.call(uri, payload(args, kwargs), options);
    const request = this.wampy.getOpStatus().reqId;
    const answer = call.then(received, failed);
    answer.cancel = () => this.wampy.cancel(request);
    return answer;
  }

  async register(uri, procedure, options) {
    const endpoint = async ({ argsList, argsDict, details, result_handler }) => {
      const progress = (args, kwargs) => result_handler({ ...payload(args, kwargs), options: { progress: true } });
      try {
        const { args, kwargs } = received({ argsList, argsDict });
        const answer = await procedure(args, kwargs, { ...plain(details), progress });
        return { ...payload(answer.args, answer.kwargs), options: answer.options };
      } catch (error) {
        throw { error: error.uri ?? "program.error", argsList: error.args ?? [String(error)], argsDict: error.kwargs };
      }
    };
    const registered = await this.wampy.register(uri, endpoint, options).catch(failed);
    return registered.registrationId;
  }

  async subscribe(uri, handler, options) {
    const listener = (event) => handler(received(event));
    const subscribed = await this.wampy.subscribe(uri, listener, options).catch(failed);
    return () => this.wampy.unsubscribe(subscribed.subscriptionId, listener);
  }

  async publish(uri, args, kwargs, options) {
    if (options?.retain) throw new Cannot("retain an event");
    if (options?.exclude_me === false) throw new Cannot("publish to itself");
    const published = await this.wampy.publish(uri, payload(args, kwargs), options).catch(failed);
    return published.publicationId;
  }

  async leave() {
    await this.wampy.disconnect();
    return this.left.take();
  }

  async drop() {
    if (this.wampy.getSessionId()) await this.leave();
  }
}

function payload(args, kwargs) {
  return { argsList: args ?? [], argsDict: kwargs };
}

function received({ argsList, argsDict, details }) {
  return { args: plain(argsList ?? []), kwargs: plain(argsDict ?? {}), details: plain(details) };
}

// With MessagePack, it gives integers from 2**32 on as BigInt.
function plain(value) {
  if (typeof value === "bigint") return Number(value);
  if (Array.isArray(value)) return value.map(plain);
  if (value?.constructor === Object) {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]));
  }
  return value;
}

function failed(error) {
  throw error.errorUri ? new WampError(error.errorUri, error.argsList ?? [error.details?.message], error.argsDict) : error;
}
