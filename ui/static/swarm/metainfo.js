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

/**
 * Reads a file and resolves to the bytes of its .torrent. `sha1` hashes bytes, `onProgress` hears of bytes done, `signal`
 * ends it early.
 */
export async function describe(file, pieceLength, sha1, onProgress, signal) {
  const count = Math.ceil(file.size / pieceLength);
  const pieces = new Uint8Array(count * 20);
  for (let index = 0; index < count; index += 1) {
    const end = Math.min(file.size, (index + 1) * pieceLength);
    // One piece at a time: memory stays small, and the page goes on between two.
    const piece = await file.slice(index * pieceLength, end).arrayBuffer();
    signal.throwIfAborted();
    pieces.set(await sha1(new Uint8Array(piece)), index * 20);
    onProgress(end);
  }
  signal.throwIfAborted();
  const info = { length: file.size, name: file.name, "piece length": pieceLength, pieces };
  return new Uint8Array(await new Blob([...bencode({ info })]).arrayBuffer());
}
