// webtorrent in Node as a streaming client: TCP peers from a tracker, a file over HTTP. Commands as JSON lines.
import path from "node:path";
import { pathToFileURL } from "node:url";
import { serve } from "../../tests/parts/commands.mjs";

const installed = path.join(path.dirname(process.argv[2]), "node_modules/webtorrent/index.js");
const { default: WebTorrent } = await import(pathToFileURL(installed));
const client = new WebTorrent({ dht: false, lsd: false, utp: false, natUpnp: false, natPmp: false, secure: false });
client.on("error", (error) => console.error(`client: ${error.message}`));
const { server } = client.createServer();
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
const { port } = server.address();

const commands = {
  open: (torrentFile, folder) =>
    new Promise((resolve) => {
      client.add(Buffer.from(torrentFile, "base64"), { path: folder }, (torrent) =>
        resolve(`http://127.0.0.1:${port}${torrent.files[0].streamURL}`),
      );
    }),
};

await serve({ ready: true }, commands);
process.exit(0);
