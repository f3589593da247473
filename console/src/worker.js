// The console's service worker: keeps the page's files, so that it opens without the router.
//
// Rules of this file:
// - The page itself comes from the router while that answers, so that nobody works with an old one, or with the console
//   where the router has another page by now. Files with a hash in their names never change: they come from the cache.
// - All files of a build are fetched together, when there is a new one. It takes over when no page of the one before
//   is open any more: a page never gets files of two builds.
// - Nothing else is touched: what a realm holds is kept by dstm.js, where the user wants it.

/* global BUILD, FILES -- put in by the build: a name for it, and the files, as "assets/console-ABCDEFGH.js" */

const NAME = `concord console ${BUILD}`;
const PATIENCE_MS = 4000; // with a router that does not answer

self.addEventListener("install", (event) => event.waitUntil(fetchAll()));
self.addEventListener("activate", (event) => event.waitUntil(takeOver()));
self.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  const { origin, pathname } = new URL(self.registration.scope);
  if (request.method !== "GET" || url.origin !== origin || !url.pathname.startsWith(pathname)) return;
  const file = url.pathname.slice(pathname.length);
  if (request.mode === "navigate" && (file === "" || file === "index.html")) event.respondWith(page(request));
  else if (file.startsWith("assets/") && FILES.includes(file)) event.respondWith(asset(request));
});

async function fetchAll() {
  const cache = await caches.open(NAME);
  await cache.addAll(["./", ...FILES].map((file) => new Request(file, { cache: "no-cache" })));
}

async function takeOver() {
  for (const name of await caches.keys()) if (name.startsWith("concord console ") && name !== NAME) await caches.delete(name);
  await self.clients.claim(); // so that the first visit is enough
}

/** The router's page, or, if it has none to give, the one that was kept. */
async function page(request) {
  let answer;
  try {
    answer = await fetch(request, { signal: AbortSignal.timeout(PATIENCE_MS) });
    if (answer.status < 500) return answer; // a proxy before a router that is down says 502 to 504
  } catch {
    // The router can't be reached.
  }
  return (await kept("./")) ?? answer ?? Response.error();
}

async function asset(request) {
  return (await kept(request)) ?? fetch(request);
}

async function kept(what) {
  return (await caches.open(NAME)).match(what);
}
