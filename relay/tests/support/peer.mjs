// A plain peer: the official client, nothing of ours. Arguments: the relay's address and the transports to use.
// Each line of the input is a list of arguments for socket.send(); {"bytes": N} among them becomes N bytes.
// Each line of the output is an event.
import { io } from "socket.io-client";
import { createInterface } from "node:readline";

const [url, transports] = process.argv.slice(2);
const say = (event, data) => process.stdout.write(`${JSON.stringify({ event, data })}\n`);
const socket = io(url, { transports: transports.split(","), reconnection: false });
const upgraded = transports === "polling,websocket" ? new Promise((done) => socket.io.engine.once("upgrade", done)) : undefined;
socket.on("connect", async () => {
  const transport = await upgraded;
  if (transport) say("upgrade", transport.name);
  say("connect", socket.id);
});
socket.on("message", (...data) => say("message", data));
socket.on("disconnect", (reason) => say("disconnect", reason));
socket.on("connect_error", (error) => say("connect_error", error.message));

const revive = (value) => (value?.bytes ? Buffer.alloc(value.bytes) : value);
const lines = createInterface({ input: process.stdin });
lines.on("line", (line) => socket.send(...JSON.parse(line).map(revive)));
lines.on("close", () => socket.disconnect());
