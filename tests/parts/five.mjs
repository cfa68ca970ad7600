// Five people in one Chromium who enter a room by its link: node five.mjs LINK. Says a JSON line for each step that is
// reached; after "watched" it waits for a line with the film's info hash, which says that all others have left.
import { once } from "node:events";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

const LIMIT_MS = 60_000;
const [link] = process.argv.slice(2);
const relay = new URL(link).origin;
const say = (step) => {
  console.error(`${Math.round(performance.now())} ms: ${JSON.stringify(step)}`);
  console.log(JSON.stringify(step));
};
const args = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking"];
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args });
const orders = createInterface({ input: process.stdin });
orders.on("close", () => browser.close().then(() => process.exit(0)));
const context = await browser.newContext();
context.setDefaultTimeout(LIMIT_MS);

const people = await Promise.all(
  ["Cid", "Dan", "Eva", "Fay", "Gus"].map(async (name) => {
    const page = await context.newPage();
    await page.goto(link);
    await page.getByTestId("name-input").fill(name);
    await page.getByTestId("join-room").click();
    return page;
  }),
);
say("entered");

const plays = () => {
  const video = document.querySelector("video");
  return video?.videoWidth === 640 && video.currentTime > 0.5 && !video.paused;
};
const stats = (page, text) => page.getByTestId("stats").filter({ hasText: text }).waitFor();
await Promise.all(people.map((page) => page.waitForFunction(plays)));
// Before the film is over and leaves the playlist.
await people[0].getByTestId("play-toggle").click();
await Promise.all(people.map((page) => stats(page, /100 %/)));
say("watched");
const [infoHash] = await once(orders, "line");

/** Leaves for another page: whether the browser asked, and the person stayed. */
async function asked(page) {
  const question = once(page, "dialog").then(async ([dialog]) => {
    await dialog.dismiss();
    return dialog.type();
  });
  const left = page.goto("about:blank").then(
    () => "left",
    () => question,
  );
  return Promise.race([question, left]);
}

// Somebody of no room lacks everything, and fetches nothing.
await Promise.all(people.splice(0, 3).map((page) => page.goto("about:blank")));
const lacking = await context.newPage();
await lacking.goto(`${relay}/robots.txt`);
await lacking.evaluate(
  async ([infoHash, tracker]) => {
    const { default: WebTorrent } = await import("/webtorrent.min.js");
    const client = new WebTorrent({ dht: false, tracker: { rtcConfig: { iceServers: [] } } });
    window.leave = () => new Promise((resolve) => client.destroy(resolve));
    client.add(infoHash, { announce: [tracker], deselect: true });
  },
  [infoHash, `${relay.replace("http", "ws")}/announce`],
);
const [other, last] = people;
await Promise.all(people.map((page) => stats(page, /\b2 peers/)));
// A click on it is what lets a page have its person asked.
for (const page of people) await page.getByTestId("position").click({ force: true });
say({ other: await asked(other) });
await stats(last, /\b1 peer\b/);
say({ last: await asked(last) });
await lacking.evaluate(() => window.leave());
await stats(last, /\b0 peers/);
say({ alone: await asked(last) });
