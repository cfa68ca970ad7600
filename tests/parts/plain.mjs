// A peer that speaks the web spec and nothing else, over the official client: node plain.mjs URL websocket|polling.
// Takes {"send": MESSAGE} and {"remember": MESSAGE} (sent at every connection) as JSON lines, says what happens likewise.
import { createInterface } from "node:readline";
import { io } from "socket.io-client";

const [url, transport] = process.argv.slice(2);
const say = (event) => process.stdout.write(`${JSON.stringify(event)}\n`);
const socket = io(url, { transports: [transport], reconnectionDelay: 100, reconnectionDelayMax: 500 });
let remembered = null;

socket.on("connect", () => {
  say({ event: "connect", transport: socket.io.engine.transport.name });
  if (remembered) socket.send(remembered);
});
socket.on("disconnect", (reason) => say({ event: "disconnect", reason }));
socket.on("message", (data) => say({ event: "message", data }));
socket.onAny((name) => name === "message" || say({ event: "foreign", name }));

createInterface({ input: process.stdin })
  .on("line", (line) => {
    const request = JSON.parse(line);
    if ("remember" in request) {
      remembered = request.remember;
      if (socket.connected) socket.send(remembered);
    }
    if ("send" in request) socket.send(request.send);
  })
  .on("close", () => process.exit(0));
