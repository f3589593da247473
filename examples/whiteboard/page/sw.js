// Keeps the page, so that it starts without the network. What is on the board is no business of this file: dstm.js keeps it.
//
// All files are fetched together, when there is a new version of any (lib/files.js, which the build writes), and kept under
// that version: a page never gets files of two versions. The new one is used from the next start of the page on.

importScripts("lib/files.js");

const { version, files } = self.WHITEBOARD;
const NAME = `whiteboard ${version}`;

self.addEventListener("install", (event) => {
  const fetched = files.map((file) => new Request(file, { cache: "reload" }));
  event.waitUntil(caches.open(NAME).then((cache) => cache.addAll(fetched)));
});

self.addEventListener("activate", (event) => event.waitUntil(takeOver()));

async function takeOver() {
  for (const name of await caches.keys()) if (name.startsWith("whiteboard ") && name !== NAME) await caches.delete(name);
  await self.clients.claim(); // so that the first visit is enough
}

self.addEventListener("fetch", (event) => {
  const { request } = event;
  if (request.method !== "GET" || !request.url.startsWith(self.registration.scope)) return;
  event.respondWith(answer(request));
});

async function answer(request) {
  const cache = await caches.open(NAME);
  const kept = await cache.match(request.mode === "navigate" ? "./" : request, { ignoreSearch: true });
  return kept ?? fetch(request);
}
