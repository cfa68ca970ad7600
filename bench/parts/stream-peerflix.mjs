// peerflix as a streaming client. Commands as JSON lines.
import { createRequire } from "node:module";
import { serve } from "../../tests/parts/commands.mjs";

const peerflix = createRequire(process.argv[2])("peerflix");

const commands = {
  open: (torrentFile, folder) =>
    new Promise((resolve) => {
      const engine = peerflix(Buffer.from(torrentFile, "base64"), { path: folder, dht: false, port: 0, hostname: "127.0.0.1" });
      engine.server.on("listening", () => resolve(`http://127.0.0.1:${engine.server.address().port}/`));
    }),
};

await serve({ ready: true }, commands);
process.exit(0);
