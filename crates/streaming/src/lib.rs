//! crates/streaming
