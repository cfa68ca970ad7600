// A browser as a peer: the torrents of a page, over WebRTC. Who asks for something gives a function that hears what becomes
// of it, and gets an object whose cancel() ends it. How webtorrent is made to do it is in webtorrent.js.

import { IceServers } from "./ice.js";
import { isNeeded } from "./leaving.js";
import { describe } from "./metainfo.js";
import { Reader } from "./reader.js";
import { report, summary } from "./report.js";
import { serve } from "./server.js";
import { BlobStore } from "./stores.js";
import { described, hasLost, identify, load, own, renewTrackers, trouble } from "./webtorrent.js";

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

/** Whether this browser can take part. */
export const supported = () =>
  typeof RTCPeerConnection === "function" && "createDataChannel" in RTCPeerConnection.prototype && typeof WebSocket === "function";

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

  #load() {
    this.#client ??= load(this.#sha1, this.#ice.config).catch((error) => {
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
    const lost = [...this.#entries.values()].map(({ torrent }) => torrent).filter((torrent) => hasLost(torrent, this.#tracker));
    if (lost.length === 0 || performance.now() - this.#lostAt < TRACKER_RETRY_MS) return;
    this.#lostAt = performance.now();
    renewTrackers(lost);
  }
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
