//! Box's own pictures of files, for the desktop's thumbnails.

use super::past::refused;
use super::protocol::{Refusal, Reply};
use crate::base::Ino;
use crate::sync::Engine;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The sizes that Box makes, in pixels.
const SIDES: [u32; 4] = [32, 64, 128, 256];

pub(super) async fn thumbnail(engine: &Engine, ino: Ino, side: u32) -> Reply {
    if !SIDES.contains(&side) {
        let message = format!("Box makes no pictures of {side} pixels");
        return Reply::Error { refusal: Refusal::BadRequest, message };
    }
    match engine.thumbnail(ino, side).await {
        Ok(png) => Reply::Thumbnail { png: png.map(|png| STANDARD.encode(png)) },
        Err(error) => refused(&error),
    }
}
