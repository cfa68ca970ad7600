// A BitTorrent tracker on loopback, bittorrent-tracker's own server; prints its port.
import TrackerServer from "bittorrent-tracker/server";

const server = new TrackerServer({ http: true, udp: false, ws: false, stats: false, interval: 5000 });
server.on("warning", (warning) => console.error("warning", warning.message));
server.on("error", (error) => console.error("error", error.message));
for (const event of ["start", "complete", "update", "stop"]) {
  server.on(event, (address) => console.error(event, address));
}
server.listen(0, "127.0.0.1", () => console.log(server.http.address().port));
