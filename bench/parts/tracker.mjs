// bittorrent-tracker's own server over WebSockets, on loopback; prints its port.
import TrackerServer from "bittorrent-tracker/server";

const server = new TrackerServer({ http: false, udp: false, ws: true, stats: false, interval: 120_000 });
server.on("warning", (warning) => console.error("warning", warning.message));
server.on("error", (error) => console.error("error", error.message));
server.listen(0, "127.0.0.1", () => console.log(server.http?.address().port ?? server.ws.address().port));
