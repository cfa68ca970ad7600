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
  #file = null;

  constructor(chunkLength) {
    this.chunkLength = chunkLength;
  }

  /** From now on all pieces are those of a file that the person gave. It is read where it lies, never copied. */
  back(file) {
    this.#file = file;
    this.#blobs = [];
  }

  put(index, bytes, callback = () => {}) {
    if (!this.#file) this.#blobs[index] = new Blob([bytes]);
    queueMicrotask(() => callback(null));
  }

  get(index, options, callback) {
    if (typeof options === "function") return this.get(index, null, options);
    const start = index * this.chunkLength;
    const blob = this.#file ? this.#file.slice(start, start + this.chunkLength) : this.#blobs[index];
    if (!blob) return queueMicrotask(() => callback(Object.assign(new Error("Chunk not found"), { notFound: true })));
    respond(bytesOf(blob.slice(...slice(blob.size, options))), callback);
  }

  close(callback = () => {}) {
    this.#blobs = [];
    this.#file = null;
    queueMicrotask(() => callback(null));
  }

  destroy(callback) {
    this.close(callback);
  }
}
