// Text in an encoding that nobody tells. What guesses it is nearly as large as the rest of the page, and is loaded when it is needed.

let loading;

/** Resolves to the text that some bytes are most likely. */
export async function guess(bytes) {
  loading ??= import("./encodings.js").then(async (module) => {
    await module.default({ module_or_path: new URL("./encodings_bg.wasm", import.meta.url) });
    return module;
  });
  try {
    return (await loading).guess(bytes);
  } catch (error) {
    loading = undefined;
    throw error;
  }
}
