// Where pieces are kept (the abstract-chunk-store interface that webtorrent takes).

const slice = (length, options) => {
  const offset = options?.offset ?? 0;
  return [offset, Math.min(length, offset + (options?.length ?? length - offset))];
};

const respond = (promise, callback) =>
  promise.then(
    (value) => queueMicrotask(() => callback(null, value)),
    (error) => queueMicrotask(() => callback(error)),
  );

const bytesOf = async (blob) => new Uint8Array(await blob.arrayBuffer());

/**
 * What is downloaded, one blob for each piece. The browser moves blobs to its disk when they grow many and drops them
 * with the page, so nothing of an old film is left behind; and there are blobs on pages without a secure context, where
 * the origin's own file system is not to be had.
 */
export class BlobStore {
  #blobs = [];

  constructor(chunkLength) {
    this.chunkLength = chunkLength;
  }

  put(index, bytes, callback = () => {}) {
    this.#blobs[index] = new Blob([bytes]);
    queueMicrotask(() => callback(null));
  }

  get(index, options, callback) {
    if (typeof options === "function") return this.get(index, null, options);
    const blob = this.#blobs[index];
    if (!blob) return queueMicrotask(() => callback(Object.assign(new Error("Chunk not found"), { notFound: true })));
    respond(bytesOf(blob.slice(...slice(blob.size, options))), callback);
  }

  close(callback = () => {}) {
    this.#blobs = [];
    queueMicrotask(() => callback(null));
  }

  destroy(callback) {
    this.close(callback);
  }
}

/** A file that the person gave: read where it lies, never copied. */
export class FileStore {
  #file;

  constructor(file, chunkLength) {
    this.#file = file;
    this.chunkLength = chunkLength;
  }

  put(_index, _bytes, callback = () => {}) {
    queueMicrotask(() => callback(new Error("The file is not written to")));
  }

  get(index, options, callback) {
    if (typeof options === "function") return this.get(index, null, options);
    const start = index * this.chunkLength;
    const [from, to] = slice(Math.min(this.chunkLength, this.#file.size - start), options);
    respond(bytesOf(this.#file.slice(start + from, start + to)), callback);
  }

  close(callback = () => {}) {
    queueMicrotask(() => callback(null));
  }

  destroy(callback) {
    this.close(callback);
  }
}
