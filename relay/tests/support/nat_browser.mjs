// Chromium on a page of the relay, with the web client's own swarm (ui/static/swarm) and webtorrent. Reads the relay's
// address and a number of bytes as arguments, shares a file of so many random bytes, and says as a JSON line which, and how
// many milliseconds two connections gathered candidates. Ends with its input.
import { chromium } from "playwright-core";

const [relay, length] = process.argv.slice(2);
const args = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking"];
args.push(`--unsafely-treat-insecure-origin-as-secure=${relay}`);
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args });
process.stdin.on("end", () => browser.close().then(() => process.exit(0))).resume();
const page = await browser.newPage();
page.on("console", (message) => console.error(`page: ${message.text()}`));
page.on("pageerror", (error) => console.error(`page: ${error.message}`));
await page.goto(`${relay}/robots.txt`);
const shared = await page.evaluate(
  async ([relay, length]) => {
    const { Swarm } = await import(`${relay}/swarm/index.js`);
    const { impatient } = await import(`${relay}/swarm/ice.js`);
    const { iceServers } = await (await fetch(`${relay}/ice-servers`)).json();
    const Connection = impatient(RTCPeerConnection);
    const gather = async () => {
      const connection = new Connection({ iceServers });
      connection.createDataChannel("film");
      const gathered = new Promise((resolve) => (connection.onicecandidate = ({ candidate }) => candidate ?? resolve()));
      const begun = performance.now();
      await connection.setLocalDescription();
      await gathered;
      const took = performance.now() - begun;
      const candidates = connection.localDescription.sdp.split("a=candidate:").length - 1;
      connection.close();
      return { took, candidates };
    };
    const gathered = [await gather(), await gather()];
    const swarm = new Swarm(null, () => {});
    swarm.setRelay(`${relay.replace("http", "ws")}/announce`, `${relay}/ice-servers`);
    const bytes = new Uint8Array(length);
    for (let at = 0; at < length; at += 65_536) crypto.getRandomValues(bytes.subarray(at, at + 65_536));
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-1", bytes));
    const sha1 = [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    return new Promise((resolve, reject) => {
      const hear = (json) => {
        const event = JSON.parse(json);
        if (event.kind === "torrent") resolve({ sha1, infoHash: event.infoHash, gathered });
        if (event.kind === "failed") reject(new Error(event.reason));
      };
      window.kept = swarm.seed(new File([bytes], "film.bin"), 262_144, hear);
    });
  },
  [relay, Number(length)],
);
console.log(JSON.stringify(shared));
