// What the page is told of torrents: what they hold, how they are doing, and what is there of their files.

/** What a torrent holds. */
export function summary(torrent) {
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

/** How a torrent is doing. */
export function report(infoHash, { torrent, own, chosen }) {
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
