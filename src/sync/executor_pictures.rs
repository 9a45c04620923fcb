//! Box's own pictures of files, asked for by a person. Changes nothing, here or in Box.

use super::core::ask_error;
use super::engine::Engine;
use super::executor::Line;
use crate::base::Ino;
use crate::box_api::ApiError;
use crate::tree::AskError;

async fn ask(line: &Line, file_id: &str, side: u32) -> Result<Option<Vec<u8>>, ApiError> {
    Ok(line.client().thumbnail(file_id, side).await?.map(Into::into))
}

impl Engine {
    /// Box's picture of a file, PNG, at most `side` pixels high and wide; `None` where Box makes none of it, or does not have the
    /// bytes of now yet.
    pub async fn thumbnail(&self, ino: Ino, side: u32) -> Result<Option<Vec<u8>>, AskError> {
        let node = self.tree().node(ino).map_err(|_| AskError::Gone)?;
        let of_now = node.is_file() && !node.content_dirty() && !node.unsealed;
        let Some(file_id) = node.box_id.filter(|_| of_now) else { return Ok(None) };
        ask(self.line(), &file_id, side).await.map_err(|error| ask_error(&error))
    }
}
