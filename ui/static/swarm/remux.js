// Plays a torrent's file through Media Source: where there is no service worker (a page that came over plain HTTP), and
// for containers that the browser cannot open by itself. The samples stay as they are, only their container changes.

/** Bytes that are read at once, and how many such blocks are kept: an index is read again and again. */
const BLOCK = 256 << 10;
const BLOCKS_MAX = 48;
/** Seconds that are made ready ahead of the player, and kept behind it. Browsers hold about 150 MB of pictures. */
const AHEAD_S = 40;
const BEHIND_S = 30;
/** Seconds of one fragment: what has to be there before the first picture. */
const FRAGMENT_S = 0.5;
/** Milliseconds between two looks at a player that has enough. */
const REST_MS = 200;

const NAMES = {
  avc: "H.264", hevc: "H.265 (HEVC)", vp8: "VP8", vp9: "VP9", av1: "AV1", mpeg4: "MPEG-4", aac: "AAC", opus: "Opus", mp3: "MP3",
  vorbis: "Vorbis", flac: "FLAC", ac3: "Dolby Digital (AC-3)", eac3: "Dolby Digital Plus (E-AC-3)", dts: "DTS",
};

const APP = "The desktop app can play more.";

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Reads ranges out of blocks, so that small reads here and there stay few reads of the torrent. */
function blocks(reader) {
  const kept = new Map();
  const block = (index) => {
    let bytes = kept.get(index);
    if (!bytes) {
      bytes = readAll(reader, index * BLOCK, Math.min(reader.length, (index + 1) * BLOCK));
      bytes.catch(() => kept.delete(index));
    }
    // The newest last.
    kept.delete(index);
    kept.set(index, bytes);
    if (kept.size > BLOCKS_MAX) kept.delete(kept.keys().next().value);
    return bytes;
  };
  return async (start, end) => {
    const out = new Uint8Array(end - start);
    for (let at = start; at < end; ) {
      const index = Math.floor(at / BLOCK);
      const bytes = await block(index);
      const part = bytes.subarray(at - index * BLOCK, Math.min(bytes.length, end - index * BLOCK));
      out.set(part, at - start);
      at += part.length;
    }
    return out;
  };
}

async function readAll(reader, start, end) {
  const out = new Uint8Array(end - start);
  for (let at = start; at < end; ) {
    const bytes = await reader.read(at, end - at);
    out.set(bytes, at - start);
    at += bytes.length;
  }
  return out;
}

/** A film that was looked into: the tracks that this browser can decode, and their codecs as browsers name them. */
async function open(media, reader) {
  const source = new media.CustomSource({
    getSize: () => reader.length,
    read: blocks(reader),
    // Without it MPEG-TS is read in steps of 188 bytes.
    prefetchProfile: "fileSystem",
    handleUnhandledError: () => {},
  });
  const input = new media.Input({ source, formats: media.ALL_FORMATS });
  if (!(await input.canRead())) {
    input.dispose();
    return null;
  }
  const all = await Promise.all([input.getPrimaryVideoTrack(), input.getPrimaryAudioTrack()]);
  const tracks = await Promise.all(
    all.filter(Boolean).map(async (track) => ({
      track,
      kind: track.isVideoTrack() ? "video" : "audio",
      codec: await track.getCodec(),
      parameters: await track.getCodecParameterString(),
    })),
  );
  if (tracks.length === 0) throw new Error("There is neither picture nor sound in this file.");
  const refused = tracks.filter(({ kind, parameters }) => formats.every((name) => !takes(kind, name, [parameters])));
  const taken = tracks.filter((track) => !refused.includes(track));
  // A picture is worth watching without its sound; the window tells what is missing.
  if (refused.length > 0 && !taken.some(({ kind }) => kind === "video")) {
    const what = refused.map(({ kind, codec }) => `${kind === "video" ? "picture" : "sound"} (${NAMES[codec] ?? codec ?? "unknown"})`);
    throw new Error(`This browser lacks the codec for the ${what.join(" and the ")} of this video. ${APP}`);
  }
  return { input, tracks: taken };
}

const formats = ["mp4", "webm"];
const typeOf = (kind, format, codecs) => `${kind}/${format}; codecs="${codecs.join(", ")}"`;
const takes = (kind, format, codecs) => MediaSource.isTypeSupported(typeOf(kind, format, codecs));
const library = () => import("../mediabunny.min.js");

/** Fails where a browser that opens the container itself lacks the picture's codec: it would play without a word, half of it. */
export async function check(reader) {
  if (!("MediaSource" in globalThis)) return;
  const film = await open(await library(), reader);
  film?.input.dispose();
}

/** Resolves to an address for the player and what ends it; fails where it cannot be played, for people. */
export async function remux(reader) {
  if (!("MediaSource" in globalThis)) throw new Error(`This browser plays no video on this page. ${APP}`);
  const media = await library();
  const film = await open(media, reader);
  if (!film) throw new Error(`This browser cannot open this kind of file. ${APP}`);
  const { input, tracks } = film;
  const kind = tracks.some((track) => track.kind === "video") ? "video" : "audio";
  const codecs = tracks.map(({ parameters }) => parameters);
  const format = formats.find((name) => takes(kind, name, codecs));
  if (!format) throw new Error(`This browser does not play ${codecs.join(" with ")}. ${APP}`);
  const inputs = tracks.map(({ track }) => track);
  const first = Math.max(0, await input.getFirstTimestamp(inputs));
  const last = (await input.getDurationFromMetadata(inputs)) ?? (await input.computeDuration(inputs));
  const mediaSource = new MediaSource();
  const url = URL.createObjectURL(mediaSource);
  const plan = { tracks, format, type: typeOf(kind, format, codecs), first, seconds: last - first };
  const feeder = new Feeder(media, plan, mediaSource);
  mediaSource.addEventListener("sourceopen", () => feeder.start(url), { once: true });
  return {
    url,
    mime: `${kind}/${format}`,
    close() {
      feeder.close();
      URL.revokeObjectURL(url);
      input.dispose();
      reader.close();
    },
  };
}

class Feeder {
  #media;
  #film;
  #source;
  #video = null;
  #buffer = null;
  #closing = new AbortController();
  /** Counts the places that were begun at: what feeds from an earlier one stops. */
  #run = 0;
  /** Appending goes on one after another. */
  #last = Promise.resolve();

  constructor(media, film, source) {
    this.#media = media;
    this.#film = film;
    this.#source = source;
  }

  start(url) {
    this.#video = [...document.querySelectorAll("video")].find((video) => video.src === url);
    if (!this.#video || this.#closing.signal.aborted) return;
    this.#buffer = this.#source.addSourceBuffer(this.#film.type);
    if (Number.isFinite(this.#film.seconds)) this.#source.duration = this.#film.seconds;
    const { signal } = this.#closing;
    this.#video.addEventListener("seeking", () => this.#seek(), { signal });
    this.#feed(this.#video.currentTime);
  }

  close() {
    this.#run += 1;
    this.#closing.abort();
  }

  #seek() {
    if (this.#ahead(this.#video.currentTime) < 0) this.#feed(this.#video.currentTime);
  }

  /** Seconds that are ready from a place on; below 0 where nothing is. */
  #ahead(time) {
    const { buffered } = this.#buffer;
    for (let index = 0; index < buffered.length; index += 1) {
      // A frame's length of slack on both sides.
      if (buffered.start(index) <= time + 0.1 && time < buffered.end(index) - 0.01) return buffered.end(index) - time;
    }
    return -1;
  }

  async #feed(from) {
    this.#run += 1;
    const run = this.#run;
    const live = () => this.#run === run && this.#source.readyState !== "closed";
    try {
      // A source that said it ended opens again when its buffer is used.
      if (this.#source.readyState === "ended") await this.#use(() => this.#buffer.remove(0, Math.max(0.001, from - BEHIND_S)));
      await this.#last.catch(() => {});
      if (live()) await this.#copy(from, live);
    } catch (error) {
      if (!live()) return;
      console.warn("media source:", error);
      if (this.#source.readyState === "open") this.#source.endOfStream("decode");
    }
  }

  async #copy(from, live) {
    const { tracks, first: zero } = this.#film;
    const media = this.#media;
    const format =
      this.#film.format === "mp4"
        ? new media.Mp4OutputFormat({ fastStart: "fragmented", minimumFragmentDuration: FRAGMENT_S })
        : new media.WebMOutputFormat({ appendOnly: true, minimumClusterDuration: FRAGMENT_S });
    const writable = new WritableStream({ write: (bytes) => (live() ? this.#append(bytes) : undefined) });
    const output = new media.Output({ format, target: new media.AppendOnlyStreamTarget(writable) });
    // Some containers begin to count anywhere; the player's time begins with the film.
    let begin = from + zero;
    const lanes = [];
    for (const { track, kind, codec } of tracks) {
      const sink = new media.EncodedPacketSink(track);
      const isVideo = kind === "video";
      const first = isVideo
        ? ((await sink.getKeyPacket(begin)) ?? (await sink.getFirstKeyPacket()))
        : ((await sink.getPacket(begin)) ?? (await sink.getFirstPacket()));
      if (!first) continue;
      // Sound begins with the picture's key frame, which lies before the place itself.
      if (isVideo) begin = Math.min(begin, first.timestamp);
      const source = isVideo ? new media.EncodedVideoPacketSource(codec) : new media.EncodedAudioPacketSource(codec);
      if (isVideo) output.addVideoTrack(source);
      else output.addAudioTrack(source);
      const meta = { decoderConfig: await track.getDecoderConfig() };
      lanes.push({ source, meta, packets: sink.packets(first), next: null });
    }
    if (!live()) return output.cancel();
    await output.start();
    for (const lane of lanes) lane.next = (await lane.packets.next()).value ?? null;
    try {
      for (;;) {
        const lane = lanes.filter((each) => each.next).sort((a, b) => a.next.timestamp - b.next.timestamp)[0];
        if (!lane || !live()) break;
        const packet = lane.next;
        // Sound may begin before 0, to prime its decoder; containers that stream have no such times.
        const timestamp = packet.timestamp - zero;
        if (timestamp >= 0) {
          await lane.source.add(zero > 0 ? packet.clone({ timestamp }) : packet, lane.meta);
          lane.meta = undefined;
        }
        while (live() && this.#ahead(this.#video.currentTime) > AHEAD_S) await pause(REST_MS);
        lane.next = (await lane.packets.next()).value ?? null;
        if (!lane.next) lane.source.close();
      }
    } finally {
      for (const lane of lanes) lane.packets.return().catch(() => {});
    }
    if (!live()) return output.cancel();
    await output.finalize();
    await this.#last;
    if (live() && this.#source.readyState === "open") this.#source.endOfStream();
  }

  /** Runs one change of the buffer after all that were asked for before. */
  #use(change) {
    const turn = this.#last.then(async () => {
      if (this.#closing.signal.aborted || this.#source.readyState === "closed") return;
      const done = new Promise((resolve) => this.#buffer.addEventListener("updateend", resolve, { once: true }));
      change();
      await done;
    });
    this.#last = turn.catch(() => {});
    return turn;
  }

  async #append(bytes) {
    const run = this.#run;
    await this.#forget();
    while (run === this.#run) {
      try {
        return await this.#use(() => this.#buffer.appendBuffer(bytes));
      } catch (error) {
        if (error.name !== "QuotaExceededError") throw error;
        // Full: room comes with what was played.
        await pause(REST_MS);
        await this.#forget(BEHIND_S / 3);
      }
    }
  }

  async #forget(behind = BEHIND_S) {
    const until = this.#video.currentTime - behind;
    const { buffered } = this.#buffer;
    // Not for every frame: a removal is work.
    if (buffered.length > 0 && buffered.start(0) < until - 5) await this.#use(() => this.#buffer.remove(0, until));
  }
}
