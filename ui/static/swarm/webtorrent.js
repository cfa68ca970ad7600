// webtorrent, which is loaded when it is first needed, and what it has to do that it offers no call for.

import { impatient } from "./ice.js";

/** Peers of one torrent at most: each costs a browser some megabytes. */
const PEERS_MAX = 30;

const NOT_FETCHED =
  "The .torrent could not be fetched: its site does not answer, or does not let other pages read it. The desktop app can fetch it.";

/** An error in words. */
export const trouble = (error) => (error instanceof Error ? error.message : String(error));

/** Resolves to webtorrent's client. `sha1` hashes bytes, `rtcConfig` is a connection's configuration, read for each of them. */
export async function load(sha1, rtcConfig) {
  // Pages over plain HTTP are given no crypto.subtle; webtorrent only asks it for SHA-1.
  if (!crypto.subtle) {
    const digest = async (_algorithm, bytes) => {
      const view = ArrayBuffer.isView(bytes) ? new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength) : new Uint8Array(bytes);
      return sha1(view).buffer;
    };
    Object.defineProperty(crypto, "subtle", { value: { digest }, configurable: true });
  }
  // webtorrent takes what it finds when it is loaded, and nothing else.
  const { RTCPeerConnection } = globalThis;
  globalThis.RTCPeerConnection = impatient(RTCPeerConnection);
  const loading = import("../webtorrent.min.js").finally(() => (globalThis.RTCPeerConnection = RTCPeerConnection));
  const { default: WebTorrent } = await loading;
  const client = new WebTorrent({ dht: false, lsd: false, maxConns: PEERS_MAX, tracker: { rtcConfig } });
  client.on("error", (error) => console.warn("swarm:", trouble(error)));
  return client;
}

/** Resolves to a torrent's info hash, also where the client has it already and refuses a second. */
export function identify(torrent, source) {
  return new Promise((resolve, reject) => {
    if (torrent.infoHash) resolve(torrent.infoHash);
    torrent.once("infoHash", () => resolve(torrent.infoHash));
    torrent.once("error", (error) => {
      const twin = /duplicate torrent ([0-9a-f]{40})/i.exec(trouble(error));
      if (twin) return resolve(twin[1].toLowerCase());
      console.warn("torrent:", trouble(error));
      if (typeof source !== "string") reject(new Error("This is not a .torrent file, or a damaged one."));
      else if (/^https?:/i.test(source)) reject(new Error(NOT_FETCHED));
      else reject(new Error(`The torrent could not be read: ${trouble(error)}`));
    });
  });
}

/** Makes a torrent's pieces those of a file that was hashed for it just now, also in the middle of its download. */
export function own(entry, file) {
  if (entry.own) return;
  const { torrent } = entry;
  entry.own = true;
  entry.store.back(file);
  for (let index = 0; index < torrent.pieces.length; index += 1) {
    if (torrent.bitfield.get(index)) continue;
    torrent._markVerified(index);
    for (const wire of torrent.wires) wire.have(index);
  }
  torrent._checkDone();
}

/** Waits for a torrent's metadata. */
export function described(torrent, signal) {
  return new Promise((resolve, reject) => {
    if (torrent.ready) return resolve();
    if (torrent.destroyed) return reject(new Error("The torrent was removed."));
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    torrent.once("ready", resolve);
    torrent.once("error", (error) => reject(new Error(trouble(error))));
    torrent.once("close", () => reject(new Error("The torrent was removed.")));
  });
}

/** Whether a torrent's connection to this tracker was lost, and webtorrent waits before it tries again. */
export function hasLost(torrent, announceUrl) {
  const trackers = torrent.discovery?.tracker?._trackers ?? [];
  return trackers.some((tracker) => tracker.announceUrl === announceUrl && tracker.reconnecting);
}

/** Makes the tracker clients of torrents anew. */
export function renewTrackers(torrents) {
  // All of them first: they share one socket for each tracker.
  for (const torrent of torrents) {
    const { tracker } = torrent.discovery;
    for (const each of tracker._trackers) clearTimeout(each.reconnectTimer);
    tracker.removeAllListeners();
    tracker.on("error", () => {});
    tracker.destroy();
  }
  for (const torrent of torrents) torrent.discovery.tracker = torrent.discovery._createTracker();
}
