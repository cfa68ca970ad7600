//! Text in an encoding that nobody tells: `ui/static/text.js`, which loads what guesses it.

use js_sys::{Promise, Uint8Array};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

#[wasm_bindgen(raw_module = "./text.js")]
extern "C" {
    #[wasm_bindgen(js_name = guess)]
    fn guess_js(bytes: &Uint8Array) -> Promise;
}

/// The text that some bytes are most likely; why there is none, for people.
pub(crate) async fn guess(bytes: &[u8]) -> Result<String, String> {
    let guessed = JsFuture::from(guess_js(&Uint8Array::from(bytes))).await;
    guessed.ok().and_then(|text| text.as_string()).ok_or_else(|| "A part of this page could not be loaded.".to_owned())
}
