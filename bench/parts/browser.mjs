// Chromium, for the benches. Reads commands as JSON lines and answers each with a line; ends with its input.
import fs from "node:fs";
import http from "node:http";
import { chromium } from "playwright-core";
import { serve } from "../../tests/parts/commands.mjs";

const scripts = {
  "/channel.js": new URL("channel.js", import.meta.url),
  "/torrent.js": new URL("torrent.js", import.meta.url),
  "/webtorrent.min.js": new URL(import.meta.resolve("webtorrent/dist/webtorrent.min.js")),
};
const web = http.createServer((request, response) => {
  const script = scripts[request.url];
  response.setHeader("content-type", script ? "text/javascript" : "text/html");
  response.end(script ? fs.readFileSync(script) : `<!doctype html><script type="module" src="${request.url}.js"></script>`);
});
await new Promise((resolve) => web.listen(0, "127.0.0.1", resolve));

const args = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking"];
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args });
let page;

const commands = {
  async open(name) {
    await page?.close();
    page = await browser.newPage();
    page.on("console", (message) => console.error(`page: ${message.text()}`));
    page.on("pageerror", (error) => console.error(`page: ${error.message}`));
    await page.goto(`http://127.0.0.1:${web.address().port}/${name}`);
    await page.waitForFunction(() => window.loaded);
  },
  call: (name, ...values) => page.evaluate(([f, v]) => window[f](...v), [name, values]),
};

await serve({ ready: true }, commands);
await browser.close();
process.exit(0);
