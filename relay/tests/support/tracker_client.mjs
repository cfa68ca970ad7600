// npm's bittorrent-tracker client, driven by lines on stdin (a method's name each), telling its events in JSON lines.
// Arguments: announce address, info hash, peer id (both in hex), left (or "null"), port.
//
// Its WebRTC library is native code that is not installed; a stand-in makes descriptions and never connects.
import { register } from "node:module";
import { createInterface } from "node:readline";

const webrtc = `
let made = 0;
export class RTCPeerConnection {
  iceGatheringState = "new";
  iceConnectionState = "new";
  signalingState = "stable";
  constructor() { this.name = "v=0\\r\\no=- " + process.pid + " " + ++made + "\\r\\n"; }
  createDataChannel() { return { readyState: "connecting", close() {} }; }
  async createOffer() { return { type: "offer", sdp: this.name }; }
  async createAnswer() { return { type: "answer", sdp: this.name }; }
  async setLocalDescription(description) {
    this.localDescription = description;
    this.iceGatheringState = "complete";
    setTimeout(() => { this.onicegatheringstatechange?.(); this.onicecandidate?.({ candidate: null }); });
  }
  async setRemoteDescription(description) { this.remoteDescription = description; }
  close() {}
}
export class RTCSessionDescription { constructor(init) { Object.assign(this, init); } }
export class RTCIceCandidate {}
`;
const hooks = `
export async function resolve(specifier, context, next) {
  if (specifier !== "webrtc-polyfill") return next(specifier, context);
  return { url: "data:text/javascript," + ${JSON.stringify(encodeURIComponent(webrtc))}, shortCircuit: true };
}`;
register("data:text/javascript," + encodeURIComponent(hooks));
const { default: Client } = await import("bittorrent-tracker/client");

const [announce, infoHash, peerId, left, port] = process.argv.slice(2);
const say = (event, more) => console.log(JSON.stringify({ event, ...more }));
const client = new Client({
  infoHash, peerId, announce, port: Number(port),
  getAnnounceOpts: () => ({ uploaded: 0, downloaded: 0, left: JSON.parse(left) }),
});
client.on("error", error => say("error", { message: error.message }));
client.on("warning", error => say("warning", { message: error.message }));
client.on("update", ({ complete, incomplete }) => say("update", { complete, incomplete }));
client.on("scrape", ({ complete, incomplete, downloaded, infoHash }) =>
  say("scrape", { complete, incomplete, downloaded, infoHash }));
client.on("peer", peer => {
  if (typeof peer === "string") return say("tcp", { address: peer });
  // An offer is answered by simple-peer itself once it was read.
  const timer = setInterval(() => {
    const [ours, theirs] = [peer._pc?.localDescription?.sdp, peer._pc?.remoteDescription?.sdp];
    if (!ours || !theirs) return;
    clearInterval(timer);
    say("peer", { id: peer.id, initiator: peer.initiator, ours, theirs });
  }, 5);
});
say("ready");
for await (const line of createInterface({ input: process.stdin })) client[line]();
client.destroy();
