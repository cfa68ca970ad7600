// node-datachannel, which is what webtorrent in Node uses. Reads commands as JSON lines and answers each with a line;
// ends with its input.
import { createRequire } from "node:module";
import { serve } from "../../tests/parts/commands.mjs";

// Not among the packages that are shipped or tested: `./dev bench` installs it apart.
const datachannel = createRequire(process.argv[2])("node-datachannel");
const BUFFER = 1 << 20;
const channels = new Map();

const wanted = (state) => {
  if (state.wish && state.received >= state.wish.total) {
    state.wish.resolve(true);
    state.wish = null;
  }
};

const commands = {
  offer(key) {
    const connection = new datachannel.PeerConnection("bench", { iceServers: [] });
    const state = { connection, received: 0, taken: 0, wish: null };
    channels.set(key, state);
    const gathered = new Promise((resolve) =>
      connection.onGatheringStateChange((now) => {
        if (now === "complete") resolve(connection.localDescription().sdp);
      }),
    );
    state.channel = connection.createDataChannel("bench");
    state.open = new Promise((resolve) => state.channel.onOpen(() => resolve(true)));
    state.channel.onMessage((data) => {
      state.received += data.length;
      wanted(state);
    });
    return gathered;
  },
  answer(key, sdp) {
    const state = channels.get(key);
    state.connection.setRemoteDescription(sdp, "answer");
    return state.open;
  },
  receive(key, bytes) {
    const state = channels.get(key);
    state.taken += bytes;
    return new Promise((resolve) => {
      state.wish = { total: state.taken, resolve };
      wanted(state);
    });
  },
  async send(key, bytes, size) {
    const { channel } = channels.get(key);
    const message = Buffer.alloc(size, 7);
    let low;
    channel.setBufferedAmountLowThreshold(BUFFER / 2);
    // Set once: what fires before somebody waits would be lost.
    channel.onBufferedAmountLow(() => low?.());
    for (let left = bytes; left > 0; left -= size) {
      if (channel.bufferedAmount() > BUFFER) await new Promise((resolve) => (low = resolve));
      channel.sendMessageBinary(left < size ? message.subarray(0, left) : message);
    }
    return true;
  },
  closeAll() {
    for (const { connection } of channels.values()) connection.close();
    channels.clear();
    return true;
  },
};

await serve({ ready: true }, commands);
process.exit(0);
