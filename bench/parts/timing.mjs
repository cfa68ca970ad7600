// Serves, on loopback, the pages that are measured beside the product: a player that timingsrc keeps at the place of a
// timing object, and one that is nowhere but where the clock says (the meter's own test). Prints its port.
//
// `timing.mjs PACKAGES FILM`: the package.json beside whose packages timingsrc is installed, and what is played.
import fs from "node:fs";
import http from "node:http";
import path from "node:path";

const [packages, film] = process.argv.slice(2);
const modules = path.join(path.dirname(packages), "node_modules");
const size = fs.statSync(film).size;
const names = ["timingsrc", "timing-object", "subscribable-things", "rxjs-interop", "tslib"];
const entry = (name) => {
  const { module, main } = JSON.parse(fs.readFileSync(path.join(modules, name, "package.json")));
  return `/npm/${name}/${path.posix.normalize(module ?? main)}`;
};
const page = (body) => `<!doctype html><meta charset="utf-8"><title>measured</title>
<script type="importmap">${JSON.stringify({ imports: Object.fromEntries(names.map((name) => [name, entry(name)])) })}</script>
<body data-testid="page" style="min-height: 360px">${body}</body>`;
const pages = {
  // The shared course is `course`: the place in seconds at a moment of the machine's clock, and the speed. Every page
  // knows the clock exactly: what is measured is how well the player is kept.
  "/timingsrc": page(`<video src="/film.mp4" preload="auto" width="640"></video><script type="module">
    import { TimingObject } from "timing-object";
    import { setTimingsrc } from "timingsrc";
    const timing = new TimingObject();
    window.course = ({ place, at, speed }) => {
      const late = (performance.timeOrigin + performance.now() - at) / 1000;
      timing.update({ position: place + late * speed, velocity: speed });
    };
    const video = document.querySelector("video");
    window.control = () => setTimingsrc(video, timing);
    // All those modules may have come later than the film.
    if (video.readyState === HTMLMediaElement.HAVE_ENOUGH_DATA) window.ready = true;
    else video.addEventListener("canplaythrough", () => { window.ready = true; }, { once: true });
  </script>`),
  "/still": page(`<video src="/film.mp4" preload="auto" width="640"></video><script>
    document.querySelector("video").addEventListener("canplaythrough", () => { window.ready = true; }, { once: true });
  </script>`),
  "/perfect": page(`<script>
    const ahead = Number(new URLSearchParams(location.search).get("ahead"));
    window.measured = {
      get currentTime() { return (performance.timeOrigin + performance.now() - 1.7e12) / 1000 + ahead; },
      playbackRate: 1, paused: false, seeking: false,
    };
    window.ready = true;
  </script>`),
};

http.createServer((request, response) => {
  const { pathname } = new URL(request.url, "http://localhost");
  if (pages[pathname]) {
    response.setHeader("content-type", "text/html");
    return response.end(pages[pathname]);
  }
  if (pathname === "/film.mp4") return send(request, response);
  const file = path.join(modules, pathname.replace(/^\/npm\//, ""));
  const found = [file, `${file}.js`].find((name) => fs.existsSync(name) && fs.statSync(name).isFile());
  if (!pathname.startsWith("/npm/") || !found) return response.writeHead(404).end();
  response.setHeader("content-type", "text/javascript");
  return fs.createReadStream(found).pipe(response);
}).listen(0, "127.0.0.1", function listening() {
  console.log(this.address().port);
});

function send(request, response) {
  const [from, to] = (request.headers.range ?? "bytes=0-").slice("bytes=".length).split("-");
  const start = Number(from);
  const end = to ? Number(to) : size - 1;
  response.writeHead(206, {
    "accept-ranges": "bytes",
    "content-length": end - start + 1,
    "content-range": `bytes ${start}-${end}/${size}`,
    "content-type": "video/mp4",
  });
  fs.createReadStream(film, { start, end }).pipe(response);
}
