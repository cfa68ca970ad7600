// webtorrent's own bundle in a page: seeds what it makes up, or fetches by magnet link.
import WebTorrent from "/webtorrent.min.js";

const client = new WebTorrent({ dht: false, tracker: { rtcConfig: { iceServers: [] } } });
client.on("error", (error) => console.error(`client: ${error.message}`));
const only = () => client.torrents[0];

window.seed = (bytes, tracker) => {
  const data = new Uint8Array(bytes);
  for (let at = 0; at < bytes; at += 65536) crypto.getRandomValues(data.subarray(at, Math.min(at + 65536, bytes)));
  return new Promise((resolve) =>
    client.seed(new File([data], "film.bin"), { announce: [tracker], name: "film.bin" }, (torrent) =>
      resolve(btoa(String.fromCharCode(...torrent.torrentFile))),
    ),
  );
};

// Milliseconds from joining until the metadata, the first block and the last one.
window.fetch = (magnet) => {
  const begun = performance.now();
  const since = () => performance.now() - begun;
  const times = {};
  const torrent = client.add(magnet);
  torrent.once("metadata", () => (times.metadata = since()));
  torrent.once("download", () => (times.first = since()));
  return new Promise((resolve) => torrent.once("done", () => resolve({ ...times, done: since() })));
};

window.forget = () => new Promise((resolve) => client.remove(only().infoHash, { destroyStore: true }, () => resolve(true)));
window.loaded = true;
