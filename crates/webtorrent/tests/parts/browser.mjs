// A Chromium with webtorrent's own bundle in a minimal page, and bittorrent-tracker's own server, for the tests.
// Reads commands as JSON lines and answers each with a line; ends with its input.
import TrackerServer from "bittorrent-tracker/server";
import fs from "node:fs";
import http from "node:http";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";
import { serve } from "../../../../tests/parts/commands.mjs";

const listening = (server) =>
  new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve((server.http ?? server).address().port)));

const tracker = new TrackerServer({ http: false, udp: false, ws: true, stats: false, interval: 120_000 });
tracker.on("warning", (warning) => console.error(`tracker: ${warning.message}`));
const trackerPort = await listening(tracker);

const bundle = fs.readFileSync(new URL(import.meta.resolve("webtorrent/dist/webtorrent.min.js")));
const page = fs.readFileSync(fileURLToPath(new URL("page.html", import.meta.url)));
const web = http.createServer((request, response) => {
  const script = request.url === "/webtorrent.min.js";
  response.setHeader("content-type", script ? "text/javascript" : "text/html");
  response.end(script ? bundle : page);
});
const webPort = await listening(web);

const args = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking"];
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args });
const pages = new Map();

const commands = {
  async open() {
    const opened = await browser.newPage();
    opened.on("console", (message) => console.error(`page: ${message.text()}`));
    opened.on("pageerror", (error) => console.error(`page: ${error.message}`));
    await opened.goto(`http://127.0.0.1:${webPort}/`);
    await opened.waitForFunction(() => window.loaded);
    pages.set(pages.size, opened);
    return pages.size - 1;
  },
  close: (index) => pages.get(index).close(),
  call: (index, name, ...values) => pages.get(index).evaluate(([f, v]) => window[f](...v), [name, values]),
};

await serve({ tracker: `ws://127.0.0.1:${trackerPort}` }, commands);
await browser.close();
process.exit(0);
