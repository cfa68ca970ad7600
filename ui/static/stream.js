// The service worker: hands a player's requests to the page that the player is on, and nothing else.

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));
self.addEventListener("message", (event) => {
  if (event.data === "claim") event.waitUntil(self.clients.claim());
});

self.addEventListener("fetch", (event) => {
  const prefix = `${self.registration.scope}stream/`;
  if (event.request.url.startsWith(prefix)) event.respondWith(ask(event, event.request.url.slice(prefix.length)));
});

async function ask({ clientId, request }, stream) {
  const page = await self.clients.get(clientId);
  if (!page) return new Response(null, { status: 404 });
  const { port1, port2 } = new MessageChannel();
  const answer = new Promise((resolve) => {
    port1.onmessage = ({ data }) => resolve(data);
  });
  page.postMessage({ stream, method: request.method, range: request.headers.get("Range") }, [port2]);
  const { status, headers, body } = await answer;
  port1.close();
  return new Response(body ?? null, { status, headers });
}
