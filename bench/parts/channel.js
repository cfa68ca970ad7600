// The browser's end of the channels: it answers offers, takes bytes and sends some.
const channels = new Map();
// What Chromium may hold of what is to be sent: enough that it never runs dry.
const BUFFER = 1 << 20;

const wanted = (channel) => {
  if (channel.wish && channel.received >= channel.wish.total) {
    channel.wish.resolve(true);
    channel.wish = null;
  }
};

window.answer = async (key, offer) => {
  const connection = new RTCPeerConnection();
  const state = { connection, received: 0, taken: 0, wish: null };
  channels.set(key, state);
  state.open = new Promise((resolve) => {
    connection.addEventListener("datachannel", ({ channel }) => {
      state.channel = channel;
      channel.binaryType = "arraybuffer";
      channel.addEventListener("message", ({ data }) => {
        state.received += data.byteLength;
        wanted(state);
      });
      const opened = () => resolve(true);
      if (channel.readyState === "open") opened();
      else channel.addEventListener("open", opened);
    });
  });
  await connection.setRemoteDescription({ type: "offer", sdp: offer });
  await connection.setLocalDescription(await connection.createAnswer());
  return connection.localDescription.sdp;
};

window.opened = (key) => channels.get(key).open;

// Waits for so many bytes more than were waited for before.
window.receive = (key, bytes) => {
  const state = channels.get(key);
  state.taken += bytes;
  return new Promise((resolve) => {
    state.wish = { total: state.taken, resolve };
    wanted(state);
  });
};

window.send = async (key, bytes, size) => {
  const { channel } = channels.get(key);
  const message = new Uint8Array(size);
  crypto.getRandomValues(message);
  channel.bufferedAmountLowThreshold = BUFFER / 2;
  for (let left = bytes; left > 0; left -= size) {
    if (channel.bufferedAmount > BUFFER) {
      await new Promise((resolve) => channel.addEventListener("bufferedamountlow", resolve, { once: true }));
    }
    channel.send(left < size ? message.subarray(0, left) : message);
  }
  return true;
};

window.closeAll = () => {
  for (const { connection } of channels.values()) connection.close();
  channels.clear();
  return true;
};
window.loaded = true;
