// Where a page keeps what must outlive it: the replica, and mutations that are not decided.
//
// A store has four functions, each of which gives a promise:
//
//     load()                  -> {replica?: {document, version, epoch, hash}, mutations: [record, ...]}, oldest first
//     saveReplica(replica)    keeps the replica in place of the one before
//     saveMutation(record)    keeps {id, name, args, body?} in place of the record of that id
//     forgetMutation(id)
//
// and perhaps a `name`: tabs that have a store of one name are tabs of one page.
//
// In IndexedDB the document lies in parts, and only parts that changed are written. All of one save is one transaction of
// the database: a page that dies in it leaves the save before.

import { Document, freeze, isObject, objectOf, thaw } from "./document.js";

const PARTS = 64;
const [REPLICAS, MUTATIONS] = ["replicas", "mutations"];

/** Keep nothing beyond the page: for tests, and where there is no IndexedDB. */
export function memoryStore() {
  const mutations = new Map();
  let replica;
  return {
    load: async () => ({ replica, mutations: [...mutations.values()].map((record) => structuredClone(record)) }),
    saveReplica: async ({ document, version, epoch, hash }) => void (replica = { document, version, epoch, hash }),
    saveMutation: async (record) => void mutations.set(record.id, structuredClone(record)),
    forgetMutation: async (id) => void mutations.delete(id),
  };
}

/**
 * Keep a space in IndexedDB.
 *
 * What is kept there decides whether a change happens once: it is on the disk before it counts ("strict"). A database that
 * the browser has closed is opened again.
 * @param {string} name of the database: one for each space of each router and user
 */
export async function indexedDbStore(name) {
  let database; // a promise of it, while it is open
  let saved = []; // the members of each part, as they are in the database
  let saving = Promise.resolve();

  const closed = () => {
    database = undefined;
    saved = [];
  };

  function open() {
    database ??= opened(name, closed);
    database.catch(closed);
    return database;
  }

  async function begun(stores, mode) {
    const begin = async () => (await open()).transaction(stores, mode, { durability: "strict" });
    try {
      return await begin();
    } catch (error) {
      if (error.name !== "InvalidStateError") throw error;
      closed(); // without a word
      return begin();
    }
  }

  async function save({ document, version, epoch, hash }) {
    const parts = partsOf(document.root);
    const transaction = await begun(REPLICAS, "readwrite");
    const replicas = transaction.objectStore(REPLICAS);
    parts.forEach((part, number) => {
      if (!isSame(part, saved[number])) replicas.put(Object.fromEntries([...part].map(([token, node]) => [token, thaw(node)])), partName(number));
    });
    const whole = isObject(document.root) ? {} : { root: thaw(document.root) };
    replicas.put({ version, epoch, hash, ...whole }, "head");
    await done(transaction);
    saved = parts;
  }

  await open();
  return {
    name,

    async load() {
      saved = []; // another tab may have saved meanwhile
      const transaction = await begun([REPLICAS, MUTATIONS], "readonly");
      const [head, parts, mutations] = await Promise.all([
        result(transaction.objectStore(REPLICAS).get("head")),
        result(transaction.objectStore(REPLICAS).getAll(IDBKeyRange.bound("part 00", "part 99"))),
        result(transaction.objectStore(MUTATIONS).getAll()),
      ]);
      return { replica: head && { ...head, document: documentOf(head, parts) }, mutations };
    },

    /** One after the other: each writes what differs from the one before. */
    saveReplica({ document, version, epoch, hash }) {
      saving = saving.catch(() => {}).then(() => save({ document, version, epoch, hash }));
      return saving;
    },

    async saveMutation(record) {
      const transaction = await begun(MUTATIONS, "readwrite");
      transaction.objectStore(MUTATIONS).put(record);
      await done(transaction);
    },

    async forgetMutation(id) {
      const transaction = await begun(MUTATIONS, "readwrite");
      transaction.objectStore(MUTATIONS).delete(id);
      await done(transaction);
    },
  };
}

/** Open a database; `closed` is called when it is not open any more: the browser has ended it, or another page deletes it. */
async function opened(name, closed) {
  const request = indexedDB.open(name, 1);
  request.onupgradeneeded = () => {
    request.result.createObjectStore(REPLICAS);
    request.result.createObjectStore(MUTATIONS, { keyPath: "id" });
  };
  const database = await result(request);
  database.onclose = closed;
  database.onversionchange = () => {
    database.close();
    closed();
  };
  return database;
}

function result(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

function done(transaction) {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onerror = transaction.onabort = () => reject(transaction.error);
  });
}

const partName = (number) => `part ${String(number).padStart(2, "0")}`;

/** Share the members of the root among the parts. */
function partsOf(root) {
  const parts = Array.from({ length: PARTS }, () => new Map());
  if (isObject(root)) for (const [token, node] of root) parts[partOf(token)].set(token, node);
  return parts;
}

function partOf(token) {
  let sum = 0;
  for (let i = 0; i < token.length; i++) sum = (Math.imul(sum, 31) + token.charCodeAt(i)) | 0;
  return (sum >>> 0) % PARTS;
}

/** Nodes are never changed: equal ones are the same. */
function isSame(part, before) {
  if (before === undefined || part.size !== before.size) return false;
  for (const [token, node] of part) if (before.get(token) !== node) return false;
  return true;
}

function documentOf(head, parts) {
  if ("root" in head) return Document.of(head.root);
  const members = parts.flatMap((part) => Object.keys(part).map((token) => [token, freeze(part[token])]));
  return new Document(objectOf(members));
}
