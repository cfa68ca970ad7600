// Serves torrents' files to the page's own player through the service worker (../stream.js). Each answer is one piece of
// the file and no stream: a browser may stop a worker at any time, and then nothing is cut off.

/** Bytes of one answer at most: a second of a film with a high rate. */
const ANSWER_MAX = 1 << 20;
/** Milliseconds until the worker has to be in charge of the page; it takes some tens. */
const CONTROL_LIMIT_MS = 4_000;

const streams = new Map();
let controlled;

function control() {
  controlled ??= (async () => {
    if (!globalThis.isSecureContext || !("serviceWorker" in navigator)) return null;
    const { serviceWorker } = navigator;
    const script = new URL("../stream.js", import.meta.url);
    try {
      const registration = await serviceWorker.register(script);
      serviceWorker.addEventListener("message", answer);
      serviceWorker.startMessages();
      await serviceWorker.ready;
      if (!serviceWorker.controller) {
        const taken = new Promise((resolve) => serviceWorker.addEventListener("controllerchange", resolve, { once: true }));
        const late = new Promise((resolve) => setTimeout(resolve, CONTROL_LIMIT_MS));
        // A page that was loaded past the worker has to be taken over.
        registration.active?.postMessage("claim");
        await Promise.race([taken, late]);
      }
      return serviceWorker.controller ? registration.scope : null;
    } catch (error) {
      console.warn("no service worker:", error);
      return null;
    }
  })();
  return controlled;
}

async function answer(event) {
  const [port] = event.ports;
  const stream = streams.get(event.data?.stream);
  if (!port) return;
  if (!stream) return port.postMessage({ status: 404 });
  const { reader, mime } = stream;
  const [, first = "0", last = ""] = /^bytes=(\d+)-(\d*)$/.exec(event.data.range ?? "") ?? [];
  const start = Number(first);
  if (start >= reader.length) return port.postMessage({ status: 416, headers: { "Content-Range": `bytes */${reader.length}` } });
  const end = last === "" ? reader.length - 1 : Math.min(Number(last), reader.length - 1);
  try {
    const bytes = event.data.method === "HEAD" ? null : await reader.read(start, Math.min(ANSWER_MAX, end - start + 1));
    const body = bytes?.slice().buffer;
    const length = bytes?.length ?? end - start + 1;
    const headers = {
      "Accept-Ranges": "bytes",
      "Cache-Control": "no-store",
      "Content-Length": String(length),
      "Content-Range": `bytes ${start}-${start + length - 1}/${reader.length}`,
      "Content-Security-Policy": "default-src 'none'; sandbox",
      "Content-Type": mime,
      "X-Content-Type-Options": "nosniff",
    };
    port.postMessage({ status: 206, headers, body }, body ? [body] : []);
  } catch {
    // Given up for another place, or the torrent is gone: nobody waits for it any more.
    port.postMessage({ status: 503 });
  }
}

/** Resolves to an address for the player and what ends it, or to null where there is no service worker. */
export async function serve(reader, mime) {
  const scope = await control();
  if (!scope) return null;
  const id = crypto.randomUUID();
  streams.set(id, { reader, mime });
  return {
    url: `${scope}stream/${id}`,
    close() {
      streams.delete(id);
      reader.close();
    },
  };
}
