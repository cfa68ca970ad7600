// Reads a torrent's file at any place while it downloads.

/** Places that are read at once: a player reads an index while it reads pictures and sound. */
const CURSORS_MAX = 3;

class Cursor {
  #iterator;
  #rest = null;
  #stop;
  #stopped = new Promise((resolve) => {
    this.#stop = resolve;
  });
  #last = 0;

  constructor(file, offset) {
    this.file = file;
    this.offset = offset;
    this.busy = false;
    // While it is open, webtorrent fetches from here on first.
    this.#iterator = file[Symbol.asyncIterator]({ start: offset, end: file.length - 1 });
    this.#last = performance.now();
  }

  get lastUsed() {
    return this.#last;
  }

  close() {
    this.#stop({ done: true });
    // One that waits for a piece ends when it is asked to; what it still says is not heard.
    Promise.resolve(this.#iterator.return?.()).catch(() => {});
  }

  /** Bytes that are there already beyond the one piece that has to be waited for. */
  async read(lengthMax) {
    this.busy = true;
    this.#last = performance.now();
    const parts = [];
    let length = 0;
    try {
      do {
        let part = this.#rest;
        this.#rest = null;
        if (!part) {
          const step = await Promise.race([this.#iterator.next(), this.#stopped]);
          if (step.done || !step.value) throw new DOMException("the reading was given up", "AbortError");
          part = step.value;
        }
        const wanted = lengthMax - length;
        if (part.length > wanted) {
          this.#rest = part.subarray(wanted);
          part = part.subarray(0, wanted);
        }
        parts.push(part);
        length += part.length;
        this.offset += part.length;
      } while (length < lengthMax && this.offset < this.file.length && (this.#rest || this.#isThere()));
    } finally {
      this.busy = false;
      this.#last = performance.now();
    }
    if (parts.length === 1) return parts[0];
    const bytes = new Uint8Array(length);
    let at = 0;
    for (const part of parts) {
      bytes.set(part, at);
      at += part.length;
    }
    return bytes;
  }

  #isThere() {
    const torrent = this.file._torrent;
    return torrent?.bitfield?.get(Math.floor((this.file.offset + this.offset) / torrent.pieceLength)) === true;
  }
}

/** Random access to one file. */
export class Reader {
  #file;
  #cursors = [];

  constructor(file) {
    this.#file = file;
  }

  get length() {
    return this.#file.length;
  }

  /**
   * Resolves to at least one byte from `start` on and at most `lengthMax`, as soon as they are there. A read of yet
   * another place gives up the one that was not used for longest.
   */
  async read(start, lengthMax) {
    let cursor = this.#cursors.find((known) => !known.busy && known.offset === start);
    if (!cursor) {
      cursor = new Cursor(this.#file, start);
      this.#cursors.push(cursor);
      if (this.#cursors.length > CURSORS_MAX) {
        this.#cursors.sort((a, b) => a.lastUsed - b.lastUsed);
        this.#cursors.shift().close();
      }
    }
    return cursor.read(Math.min(lengthMax, this.#file.length - start));
  }

  close() {
    for (const cursor of this.#cursors.splice(0)) cursor.close();
  }
}
