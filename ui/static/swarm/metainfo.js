// Makes the description of a torrent (BEP 3) out of one file. The same as the desktop app makes of it, so that two people
// who share one file are in one swarm.

const text = new TextEncoder();

/** Encodes numbers, texts, bytes and objects; an object's keys have to be in order already. */
function* bencode(value) {
  if (typeof value === "number") yield text.encode(`i${value}e`);
  else if (typeof value === "string") yield* bencode(text.encode(value));
  else if (value instanceof Uint8Array) {
    yield text.encode(`${value.length}:`);
    yield value;
  } else {
    yield text.encode("d");
    for (const [key, inner] of Object.entries(value)) {
      yield* bencode(key);
      yield* bencode(inner);
    }
    yield text.encode("e");
  }
}

/** Pieces in work at once: one is read while another is hashed. Few, so that memory stays small. */
const LANES = 4;

/**
 * Reads a file and resolves to the bytes of its .torrent. `sha1` hashes bytes, `onProgress` hears of bytes done, `signal`
 * ends it early.
 */
export async function describe(file, pieceLength, sha1, onProgress, signal) {
  const count = Math.ceil(file.size / pieceLength);
  const pieces = new Uint8Array(count * 20);
  let next = 0;
  let done = 0;
  const lane = async () => {
    while (next < count) {
      const index = next;
      next += 1;
      const start = index * pieceLength;
      const piece = await file.slice(start, Math.min(file.size, start + pieceLength)).arrayBuffer();
      signal.throwIfAborted();
      pieces.set(await sha1(new Uint8Array(piece)), index * 20);
      done += piece.byteLength;
      onProgress(done);
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  signal.throwIfAborted();
  const info = { length: file.size, name: file.name, "piece length": pieceLength, pieces };
  return new Uint8Array(await new Blob([...bencode({ info })]).arrayBuffer());
}
