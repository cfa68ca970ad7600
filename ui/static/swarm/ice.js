// The STUN and TURN servers that the room's relay names, and connections that do not wait long for them.

/** Milliseconds that the relay has to answer. */
const ANSWER_LIMIT_MS = 10_000;
/** Milliseconds that the first torrent waits for the servers: without them it would make connections that lead nowhere. */
const FIRST_LIMIT_MS = 2_000;
/** Milliseconds until the relay is asked again after it did not answer. */
const RETRY_MS = 15_000;
/** Milliseconds between two answers, at least and at most. */
const AGAIN_MS = [15_000, 6 * 3_600_000];
/** Addresses of servers that count; each is asked for each connection. */
const SERVERS_MAX = 8;

/** Milliseconds that candidates are gathered at most. simple-peer alone would wait 5 s for servers that do not answer. */
const GATHER_MS = 2_000;
/** The same after a server was silent, where none of the others took longer; a connection next door waits no longer. */
const GATHER_MIN_MS = 300;
/** Milliseconds for which a silence is remembered. */
const SILENCE_MS = 60_000;

/** What a browser can be given: a server that it does not understand would end each connection with an error. */
function usable(servers) {
  const usable = [];
  let count = 0;
  for (const { urls, username, credential } of Array.isArray(servers) ? servers : []) {
    const known = (Array.isArray(urls) ? urls : []).filter((url) => /^(stuns?|turns?):[^/]/.test(url)).slice(0, SERVERS_MAX - count);
    const server = username === undefined ? { urls: known } : { urls: known, username, credential };
    try {
      new RTCPeerConnection({ iceServers: [server] }).close();
    } catch (error) {
      console.debug("a server of the relay is of no use:", error);
      continue;
    }
    count += known.length;
    if (known.length > 0) usable.push(server);
  }
  return usable;
}

/** The servers of the room's relay. Nobody else's are asked, so that no third party hears of a room. */
export class IceServers {
  /** What connections are made with. webtorrent keeps it and looks into it for each of them. */
  config = { iceServers: [] };
  #address = null;
  #askAt = Infinity;
  #answered = Promise.resolve();

  /** Where the relay tells its servers, or nothing. */
  setAddress(address) {
    if (this.#address === address) return;
    this.#address = address;
    this.config.iceServers = [];
    this.#askAt = address ? 0 : Infinity;
    this.#answered = Promise.resolve();
    this.keepFresh();
  }

  /** Asks when it is time to; to be called now and then. Credentials end, and only new connections need new ones. */
  keepFresh() {
    if (performance.now() < this.#askAt) return;
    this.#askAt = Infinity;
    this.#answered = this.#ask(this.#address);
  }

  /** Resolves when there is an answer, or when it is too late for one. */
  ready() {
    return Promise.race([this.#answered, new Promise((resolve) => setTimeout(resolve, FIRST_LIMIT_MS))]);
  }

  async #ask(address) {
    let wait = RETRY_MS;
    try {
      const answer = await fetch(address, { cache: "no-store", credentials: "omit", signal: AbortSignal.timeout(ANSWER_LIMIT_MS) });
      if (!answer.ok) throw new Error(`status ${answer.status}`);
      const { iceServers, ttl } = await answer.json();
      if (this.#address === address) this.config.iceServers = usable(iceServers);
      // Half of it is left for the connections that are made then.
      wait = Math.min(AGAIN_MS[1], Math.max(AGAIN_MS[0], (Number(ttl) || 0) * 500));
    } catch (error) {
      console.debug("the relay names no servers:", error);
    }
    if (this.#address === address) this.#askAt = performance.now() + wait;
  }
}

/**
 * Connections that say that they have all candidates, although a server is still silent: webtorrent sends all candidates at
 * once, and else a connection to the next room would wait for it, too.
 */
export function impatient(Connection) {
  let patience = GATHER_MS;
  let silentAt = -Infinity;
  return class extends Connection {
    constructor(...given) {
      super(...given);
      let begun = null;
      let helped = null;
      let late = false;
      let found = false;
      const tell = () => {
        if (this.iceGatheringState === "gathering" && found) this.dispatchEvent(new RTCPeerConnectionIceEvent("icecandidate"));
      };
      this.addEventListener("icegatheringstatechange", () => {
        if (this.iceGatheringState === "complete" && !late) silentAt = -Infinity;
        if (this.iceGatheringState !== "gathering" || begun !== null) return;
        begun = performance.now();
        const remembered = begun - silentAt < SILENCE_MS;
        setTimeout(() => {
          if (this.iceGatheringState !== "gathering") return;
          late = true;
          if (!remembered) {
            silentAt = performance.now();
            patience = helped === null ? GATHER_MIN_MS : Math.min(GATHER_MS, Math.max(GATHER_MIN_MS, 2 * helped));
          }
          tell();
        }, remembered ? patience : GATHER_MS);
      });
      this.addEventListener("icecandidate", ({ candidate }) => {
        if (!candidate) return;
        found = true;
        if (candidate.type !== "host" && begun !== null) helped = performance.now() - begun;
        if (late) tell();
      });
    }
  };
}
