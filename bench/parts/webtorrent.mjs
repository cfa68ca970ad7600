// webtorrent in Node: the foreign end of the whole path. Reads commands as JSON lines and answers each with a line; ends with
// its input.
import crypto from "node:crypto";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { serve } from "../../tests/parts/commands.mjs";

// Not among the packages that are shipped or tested: `./dev bench` installs it apart.
const installed = (file) => import(pathToFileURL(path.join(path.dirname(process.argv[2]), "node_modules", file)));
const { default: WebTorrent } = await installed("webtorrent/index.js");
const { RTCPeerConnection } = await installed("webrtc-polyfill/index.js");
const rtcConfig = { iceServers: [] };
const client = new WebTorrent({ dht: false, lsd: false, utp: false, natUpnp: false, natPmp: false, tracker: { rtcConfig } });
mendGathering();
client.on("error", (error) => console.error(`client: ${error.message}`));
const folder = fs.mkdtempSync(path.join(os.tmpdir(), "streamshare-bench-"));
process.on("exit", () => fs.rmSync(folder, { recursive: true, force: true }));

// webrtc-polyfill 1.2 never says that there is no further address (W3C WebRTC, section 4.4.1.3: an event without a candidate), so
// simple-peer waits 5 s before each offer and answer, and towards Chromium the two ends' offers cross in that time, each end
// keeps the connection that the other dropped, and nothing comes. With this, it is as fast as it could be.
function mendGathering() {
  const set = RTCPeerConnection.prototype.setLocalDescription;
  RTCPeerConnection.prototype.setLocalDescription = async function (...values) {
    const told = () => {
      if (this.iceGatheringState === "complete") this.onicecandidate?.({ candidate: null });
    };
    this.addEventListener("icegatheringstatechange", told);
    await set.apply(this, values);
    told();
  };
}

const commands = {
  download(torrentFile) {
    const begun = performance.now();
    const since = () => performance.now() - begun;
    const torrent = client.add(Buffer.from(torrentFile, "base64"), { path: folder });
    const times = {};
    torrent.once("download", () => (times.first = since()));
    return new Promise((resolve) => torrent.once("done", () => resolve({ ...times, done: since() })));
  },
  seed(bytes, tracker) {
    const file = path.join(folder, "film.bin");
    fs.writeFileSync(file, crypto.randomBytes(bytes));
    return new Promise((resolve) =>
      client.seed(file, { announce: [tracker] }, (torrent) => {
        // Others find it once the tracker knows it.
        torrent.once("trackerAnnounce", () => resolve(torrent.infoHash));
      }),
    );
  },
  forget: () =>
    new Promise((resolve) => client.remove(client.torrents[0].infoHash, { destroyStore: true }, () => resolve(true))),
};

await serve({ ready: true }, commands);
process.exit(0);
