// A browser as a peer: torrents over WebRTC with webtorrent, which is loaded when it is first needed. Who asks for
// something gives a function that hears what becomes of it, and gets an object whose cancel() ends it.

import { IceServers, impatient } from "./ice.js";
import { isNeeded } from "./leaving.js";
import { describe } from "./metainfo.js";
import { Reader } from "./reader.js";
import { serve } from "./server.js";
import { BlobStore } from "./stores.js";

/** Milliseconds between two reports. */
const REPORT_MS = 1_000;
/** Milliseconds between two words on how far a request is: each draws the page anew. */
const PROGRESS_MS = 200;
/** Milliseconds after which a tracker that was lost is tried anew; webtorrent's own client waits for minutes. */
const TRACKER_RETRY_MS = 4_000;
/** Milliseconds after which whoever lacks something and has no peer asks the trackers again, which else happens every 2 min. */
const LONELY_MS = 10_000;
/** Milliseconds that a torrent is kept which is in no playlist yet. */
const GRACE_MS = 60_000;
/** Bytes of a .torrent at most, as in the desktop app. */
const METAINFO_MAX = 16 << 20;
/** Peers of one torrent at most: each costs a browser some megabytes. */
const PEERS_MAX = 30;

const NOT_FETCHED =
  "The .torrent could not be fetched: its site does not answer, or does not let other pages read it. The desktop app can fetch it.";

/** Whether this browser can take part. */
export const supported = () =>
  typeof RTCPeerConnection === "function" && "createDataChannel" in RTCPeerConnection.prototype && typeof WebSocket === "function";

const trouble = (error) => (error instanceof Error ? error.message : String(error));

export class Swarm {
  #ice = new IceServers();
  #sha1;
  #onReport;
  #client = null;
  /** By info hash: {torrent, store, own, since, users, chosen, asked}. */
  #entries = new Map();
  #tracker = null;
  #lostAt = 0;
  /** The info hashes that the room's playlist names. */
  #wanted = [];

  /** `sha1` hashes bytes, `onReport` hears how the torrents are doing, as JSON. */
  constructor(sha1, onReport) {
    this.#sha1 = sha1;
    this.#onReport = onReport;
    setInterval(() => this.#tick(), REPORT_MS);
    addEventListener("beforeunload", (event) => {
      // The browser asks whether to leave, in its own words.
      if ([...this.#entries.values()].some(isNeeded)) event.preventDefault();
    });
    // Peers that hear nothing of it wait for this page until their connections time out.
    addEventListener("pagehide", ({ persisted }) => {
      if (persisted) return;
      for (const { torrent } of this.#entries.values()) torrent.destroy();
    });
  }

  /** The tracker of the room that the page is in, and where its relay tells of STUN and TURN servers, or nothing. */
  setRelay(tracker, iceServers) {
    this.#tracker = tracker ?? null;
    this.#ice.setAddress(iceServers ?? null);
  }

  /** Asks the trackers at once again where their connection was lost. */
  wake() {
    this.#lostAt = 0;
    this.#reconnect();
  }

  /** Ends the torrents that are not among these info hashes before long, but for those that this person shares. */
  keep(infoHashes) {
    this.#wanted = infoHashes;
  }

  /** Shares a file of this computer: {kind: "progress"}, then {kind: "torrent"} or {kind: "failed"}. */
  seed(file, pieceLength, hear) {
    return this.#run(hear, async (tell, signal) => {
      if (file.size === 0) throw new Error("The file is empty.");
      const sha1 = crypto.subtle ? async (bytes) => new Uint8Array(await crypto.subtle.digest("SHA-1", bytes)) : this.#sha1;
      let told = -Infinity;
      const progress = (done) => {
        if (performance.now() - told < PROGRESS_MS) return;
        told = performance.now();
        tell({ kind: "progress", phase: "hashing", done, total: file.size });
      };
      progress(0);
      let metainfo;
      try {
        metainfo = await describe(file, pieceLength, sha1, progress, signal);
      } catch (error) {
        signal.throwIfAborted();
        throw new Error(`The file could not be read: ${trouble(error)}`);
      }
      const entry = await this.#add(metainfo, null, signal);
      own(entry, file);
      tell({ kind: "torrent", ...summary(entry.torrent) });
    });
  }

  /**
   * Finds out what a torrent holds: {kind: "torrent"} or {kind: "failed"}. `source` is a magnet link, an info hash, an
   * address or a .torrent file; `infoHash` is told where it is known.
   */
  resolve(source, infoHash, hear) {
    return this.#run(hear, async (tell, signal) => {
      tell({ kind: "progress", phase: "resolving", done: 0, total: 0 });
      if (source instanceof Blob && source.size > METAINFO_MAX) throw new Error("This is too large for a .torrent file.");
      const given = source instanceof Blob ? new Uint8Array(await source.arrayBuffer()) : source;
      const entry = await this.#add(given, infoHash ?? null, signal);
      tell({ kind: "torrent", ...summary(entry.torrent) });
    });
  }

  /** Resolves to the bytes of a file from `start` to before `end`, as soon as they are all there. */
  async read(infoHash, index, start, end) {
    const file = this.#entries.get(infoHash)?.torrent.files[index];
    if (!file) throw new Error("The torrent does not hold this file any more.");
    const bytes = new Uint8Array(Math.max(0, Math.min(end, file.length) - start));
    if (bytes.length === 0) return bytes;
    let at = 0;
    // While it is open, webtorrent fetches these bytes first, and no others.
    for await (const part of file[Symbol.asyncIterator]({ start, end: start + bytes.length - 1 })) {
      bytes.set(part, at);
      at += part.length;
    }
    if (at !== bytes.length) throw new Error("The torrent was removed.");
    return bytes;
  }

  /** Makes a file playable: {kind: "ready"} or {kind: "failed"}. It is playable until cancel(). */
  stream(infoHash, index, mime, hear) {
    let close = null;
    let entry = null;
    const run = this.#run(hear, async (tell, signal) => {
      entry = this.#entries.get(infoHash);
      const file = entry?.torrent.files[index];
      if (!file) throw new Error("The torrent does not hold this file any more.");
      entry.users += 1;
      entry.chosen.add(index);
      file.select();
      let opened;
      try {
        opened = await openFile(new Reader(file), mime);
      } catch (error) {
        // What cannot be played here is not fetched either.
        entry.chosen.delete(index);
        if (!entry.torrent.destroyed) file.deselect();
        throw error;
      }
      if (signal.aborted) return opened.close();
      close = opened.close;
      tell({ kind: "ready", url: opened.url, mime: opened.mime ?? mime, length: file.length });
    });
    return {
      cancel() {
        run.cancel();
        if (entry) entry.users -= 1;
        entry = null;
        close?.();
        close = null;
      },
    };
  }

  /** Runs something that can be cancelled; after that, or after it failed, nothing is heard any more. */
  #run(hear, work) {
    const controller = new AbortController();
    const { signal } = controller;
    const tell = (event) => {
      if (!signal.aborted) hear(JSON.stringify(event));
    };
    // Never heard before the caller has what it needs to cancel.
    Promise.resolve()
      .then(() => work(tell, signal))
      .catch((error) => tell({ kind: "failed", reason: trouble(error) }));
    return { cancel: () => controller.abort() };
  }

  async #load() {
    this.#client ??= (async () => {
      // Pages over plain HTTP are given no crypto.subtle; webtorrent only asks it for SHA-1.
      if (!crypto.subtle) {
        const digest = async (_algorithm, bytes) => {
          const view = ArrayBuffer.isView(bytes) ? new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength) : new Uint8Array(bytes);
          return this.#sha1(view).buffer;
        };
        Object.defineProperty(crypto, "subtle", { value: { digest }, configurable: true });
      }
      // webtorrent takes what it finds when it is loaded, and nothing else.
      const { RTCPeerConnection } = globalThis;
      globalThis.RTCPeerConnection = impatient(RTCPeerConnection);
      const loading = import("../webtorrent.min.js").finally(() => (globalThis.RTCPeerConnection = RTCPeerConnection));
      const { default: WebTorrent } = await loading;
      const tracker = { rtcConfig: this.#ice.config };
      const client = new WebTorrent({ dht: false, lsd: false, maxConns: PEERS_MAX, tracker });
      client.on("error", (error) => console.warn("swarm:", trouble(error)));
      return client;
    })().catch((error) => {
      this.#client = null;
      throw new Error(`The part of this page that exchanges videos could not be loaded: ${trouble(error)}`);
    });
    return this.#client;
  }

  /** Resolves to the entry of a torrent whose metadata is known. */
  async #add(source, infoHash, signal) {
    const [client] = await Promise.all([this.#load(), this.#ice.ready()]);
    signal.throwIfAborted();
    let entry = infoHash ? this.#entries.get(infoHash) : null;
    if (!entry) {
      const announce = this.#tracker ? [this.#tracker] : [];
      entry = { torrent: null, store: null, own: false, since: performance.now(), users: 0, chosen: new Set(), asked: performance.now() };
      const made = entry;
      class Store extends BlobStore {
        constructor(...given) {
          super(...given);
          made.store = this;
        }
      }
      const torrent = client.add(source, { announce, deselect: true, store: Store, storeCacheSlots: 8 });
      made.torrent = torrent;
      torrent.on("warning", (warning) => console.debug("torrent:", trouble(warning)));
      const known = await identify(torrent, source);
      const twin = this.#entries.get(known);
      if (twin) {
        entry = twin;
        // Someone asked for it by its hash and nobody told so far what it is.
        if (typeof source !== "string" && !twin.torrent.metadata) twin.torrent._onMetadata(source);
      } else if (torrent.destroyed) {
        throw new Error("The torrent is just being removed. Please try again.");
      } else {
        this.#entries.set(known, entry);
        torrent.on("error", (error) => console.warn("torrent:", trouble(error)));
        // After an error, too; who tries again begins anew.
        torrent.once("close", () => {
          if (this.#entries.get(known) === entry) this.#entries.delete(known);
        });
      }
    }
    entry.users += 1;
    entry.since = performance.now();
    try {
      await described(entry.torrent, signal);
    } finally {
      entry.users -= 1;
      // Given up before anything was known of it.
      if (signal.aborted && entry.users === 0 && !entry.torrent.metadata) this.#drop(entry.torrent.infoHash);
    }
    return entry;
  }

  #drop(infoHash) {
    const entry = this.#entries.get(infoHash);
    this.#entries.delete(infoHash);
    entry?.torrent.destroy({ destroyStore: true });
  }

  #tick() {
    if (this.#entries.size === 0) return;
    for (const [infoHash, entry] of this.#entries) {
      const fresh = performance.now() - entry.since < GRACE_MS;
      if (!entry.own && !fresh && entry.users === 0 && !this.#wanted.includes(infoHash)) this.#drop(infoHash);
    }
    this.#reconnect();
    for (const { torrent } of this.#lonely()) torrent.discovery?.tracker?.update();
    this.#ice.keepFresh();
    this.#onReport(JSON.stringify([...this.#entries].map(([infoHash, entry]) => report(infoHash, entry))));
  }

  /** Torrents that lack something and have had no peer for a while; each is named once in that while. */
  #lonely() {
    const now = performance.now();
    return [...this.#entries.values()].filter((entry) => {
      if (entry.torrent.done || entry.torrent.numPeers > 0) entry.asked = now;
      if (now - entry.asked < LONELY_MS) return false;
      entry.asked = now;
      return true;
    });
  }

  /** Makes the tracker clients of torrents anew whose connection to the room's tracker was lost. */
  #reconnect() {
    const isLost = ({ torrent }) => {
      const trackers = torrent.discovery?.tracker?._trackers ?? [];
      return trackers.some((tracker) => tracker.announceUrl === this.#tracker && tracker.reconnecting);
    };
    const lost = [...this.#entries.values()].filter(isLost);
    if (lost.length === 0 || performance.now() - this.#lostAt < TRACKER_RETRY_MS) return;
    this.#lostAt = performance.now();
    // All of them first: they share one socket for each tracker.
    for (const { torrent } of lost) {
      const { tracker } = torrent.discovery;
      for (const each of tracker._trackers) clearTimeout(each.reconnectTimer);
      tracker.removeAllListeners();
      tracker.on("error", () => {});
      tracker.destroy();
    }
    for (const { torrent } of lost) torrent.discovery.tracker = torrent.discovery._createTracker();
  }
}

/** Resolves to a torrent's info hash, also where the client has it already and refuses a second. */
function identify(torrent, source) {
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
function own(entry, file) {
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
function described(torrent, signal) {
  return new Promise((resolve, reject) => {
    if (torrent.ready) return resolve();
    if (torrent.destroyed) return reject(new Error("The torrent was removed."));
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    torrent.once("ready", resolve);
    torrent.once("error", (error) => reject(new Error(trouble(error))));
    torrent.once("close", () => reject(new Error("The torrent was removed.")));
  });
}

function summary(torrent) {
  return {
    infoHash: torrent.infoHash,
    name: torrent.name,
    trackers: torrent.announce,
    files: torrent.files.map((file) => ({ path: inner(torrent, file), length: file.length })),
  };
}

/** A file's path inside its torrent; webtorrent puts the torrent's name before it where there are several. */
function inner(torrent, file) {
  const path = file.path.replaceAll("\\", "/");
  const prefix = `${torrent.name}/`;
  return torrent.files.length > 1 && path.startsWith(prefix) ? path.slice(prefix.length) : path;
}

/** Through the service worker where the browser opens the container itself, else through Media Source. */
async function openFile(reader, mime) {
  const native = mime !== "" && document.createElement("video").canPlayType(mime) !== "";
  try {
    const served = native ? await serve(reader, mime) : null;
    const { check, remux } = await import("./remux.js");
    if (!served) return await remux(reader);
    try {
      await check(reader);
    } catch (error) {
      served.close();
      throw error;
    }
    return served;
  } catch (error) {
    reader.close();
    throw error;
  }
}

/** Ranges of a file's bytes that are there at most, as on the desktop. */
const SPANS_MAX = 256;

/** What is there of a file. */
function ready(torrent, index) {
  const { offset, length } = torrent.files[index];
  const { pieceLength } = torrent;
  let spans = [];
  for (let piece = Math.floor(offset / pieceLength); piece * pieceLength < offset + length; piece += 1) {
    if (!torrent.bitfield.get(piece)) continue;
    const from = Math.max(piece * pieceLength - offset, 0);
    const to = Math.min((piece + 1) * pieceLength - offset, length);
    const last = spans.at(-1);
    if (last?.[1] === from) last[1] = to;
    else spans.push([from, to]);
  }
  if (spans.length > SPANS_MAX) {
    spans = spans.sort((a, b) => b[1] - b[0] - (a[1] - a[0])).slice(0, SPANS_MAX).sort((a, b) => a[0] - b[0]);
  }
  return { fileIndex: index, length, spans };
}

function report(infoHash, { torrent, own, chosen }) {
  const files = own ? torrent.files : torrent.files.filter((_, index) => chosen.has(index));
  const sum = (of) => files.reduce((total, file) => total + of(file), 0);
  const total = sum((file) => file.length);
  const have = Math.floor(sum((file) => file.downloaded));
  return {
    infoHash,
    name: torrent.name ?? "",
    state: have === total && total > 0 ? "seeding" : "downloading",
    haveBytes: have,
    totalBytes: total,
    downloadBps: Math.round(torrent.downloadSpeed),
    uploadBps: Math.round(torrent.uploadSpeed),
    peers: { tcp: 0, utp: 0, webrtc: torrent.numPeers },
    knownPeers: Math.max(torrent.numPeers, torrent._peersLength ?? 0),
    uploadedBytes: torrent.uploaded,
    // The browser does not tell what it has on its disk.
    diskBytes: 0,
    keeping: own ? "own" : "cached",
    ready: [...chosen].sort((a, b) => a - b).map((index) => ready(torrent, index)),
    error: null,
  };
}
