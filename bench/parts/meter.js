// Runs in the page whose player is measured, whoever made it: notes 20 times a second where the player is, reads the frame
// numbers that are burned into the picture, and counts what the player is told. It can keep what the player is told from it,
// which is how the meter is shown to tell control from none.
(() => {
  if (window.meter) return;
  const EVERY_MS = 50;
  const BITS = 16;
  // The strip of blocks at the top of the film: its share of the height, see film.rs.
  const STRIP = 1 / 9;
  const monotonic = performance.now.bind(performance);
  const now = () => performance.timeOrigin + monotonic();
  // A seek that is not aimed at where the room will be lands late, by as much as it takes (s).
  const LATE_S = [0.1, 0.4];
  // A clock that is set right by a second a minute, ahead and back (ms/ms, ms).
  const SLEW = 1 / 60;
  const SLEWED_FOR_MS = 60_000;
  const player = window.measured ?? document.querySelector("video");
  const native = (name) => Object.getOwnPropertyDescriptor(HTMLMediaElement.prototype, name);
  const real = player instanceof HTMLMediaElement;
  const read = (name) => (real ? native(name).get.call(player) : player[name]);
  const write = (name, value) => native(name).set.call(player, value);
  const out = { samples: [], frames: [], told: [] };
  let mode = "obeys";
  let meant = { rate: 1 };
  const tell = (what, value) => out.told.push([now(), what, value]);

  if (real) {
    const own = (name, what, change) => Object.defineProperty(player, name, {
      configurable: true,
      get: () => read(name),
      set: (value) => {
        tell(what, value);
        change(value);
      },
    });
    own("playbackRate", "rate", (value) => {
      meant.rate = value;
      if (!["deaf", "flipped"].includes(mode)) write("playbackRate", value);
      if (mode === "flipped") write("playbackRate", 2 - value);
    });
    own("currentTime", "seek", (value) => {
      if (mode === "deaf") return;
      const late = mode === "late" ? LATE_S[0] + Math.random() * (LATE_S[1] - LATE_S[0]) : 0;
      write("currentTime", value - late);
    });
    for (const what of ["play", "pause"]) {
      const method = player[what];
      player[what] = () => {
        tell(what, 0);
        return mode === "deaf" ? Promise.resolve() : method.call(player);
      };
    }
  }

  // What a clock shows that somebody corrects.
  let slewedSince = null;
  performance.now = () => {
    const at = monotonic();
    if (slewedSince === null) return at;
    const into = (at - slewedSince) % (2 * SLEWED_FOR_MS);
    return at + SLEW * Math.min(into, 2 * SLEWED_FOR_MS - into);
  };
  // One who knows no band in which nothing is done seeks at whatever the player says.
  player.addEventListener?.("timeupdate", () => {
    if (mode === "restless" && !read("paused")) player.currentTime = read("currentTime");
  });

  const note = () => {
    const place = read("currentTime");
    out.samples.push([now(), place, read("playbackRate"), Number(read("paused")), Number(read("seeking"))]);
  };
  setInterval(note, EVERY_MS);

  // Grey code, so that a picture caught between two frames is off by one frame at most.
  const canvas = new OffscreenCanvas(BITS, 1);
  const pixels = canvas.getContext("2d", { willReadFrequently: true });
  const frame = () => {
    pixels.drawImage(player, 0, 0, player.videoWidth, player.videoHeight * STRIP, 0, 0, BITS, 1);
    const { data } = pixels.getImageData(0, 0, BITS, 1);
    let number = 0;
    for (let bit = BITS - 1; bit >= 0; bit -= 1) {
      const set = Number(data[bit * 4] > 127) ^ ((number >> (bit + 1)) & 1);
      number |= set << bit;
    }
    return number;
  };
  let looking = false;
  const look = (_, { expectedDisplayTime }) => {
    if (!looking) return;
    out.frames.push([performance.timeOrigin + expectedDisplayTime, frame()]);
    player.requestVideoFrameCallback(look);
  };

  window.meter = {
    now,
    note,
    /** What was noted since the last call. */
    take: () => Object.fromEntries(Object.keys(out).map((key) => [key, out[key].splice(0)])),
    look: (on) => {
      if (on && !looking) player.requestVideoFrameCallback(look);
      looking = on;
    },
    frame,
    /**
     * Whether the player gets what it is told: "obeys", "deaf", "flipped" (too fast where it should be too slow), "late" (its
     * seeks are not compensated), "restless" (no hysteresis); or "wall": what asks for the time gets that of a clock that is set.
     */
    mode: (name) => {
      mode = name;
      slewedSince = name === "wall" ? monotonic() : null;
      if (name === "deaf") write("playbackRate", 1);
      if (name === "obeys") write("playbackRate", meant.rate);
    },
    /** Puts a playing player ahead by some seconds, within `within_ms`, without a seek. */
    displace: (seconds, within_ms) => {
      const before = mode;
      mode = "deaf";
      write("playbackRate", 1 + seconds / (within_ms / 1000));
      setTimeout(() => window.meter.mode(before), within_ms);
    },
    quality: () => {
      const { droppedVideoFrames, totalVideoFrames } = player.getVideoPlaybackQuality();
      return [droppedVideoFrames, totalVideoFrames];
    },
  };
})();
