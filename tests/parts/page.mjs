// Serves a page of a stranger's on loopback, foreign.html with webtorrent's own bundle; prints its port.
import fs from "node:fs";
import http from "node:http";

const bundle = fs.readFileSync(new URL(import.meta.resolve("webtorrent/dist/webtorrent.min.js")));
const page = fs.readFileSync(new URL("foreign.html", import.meta.url));
const server = http.createServer((request, response) => {
  const script = request.url === "/webtorrent.min.js";
  response.setHeader("content-type", script ? "text/javascript" : "text/html");
  response.end(script ? bundle : page);
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
