//! Thumbnails: small pictures of files that Box makes by itself.

use super::call::{Call, Request};
use super::client::{BoxClient, read_bytes};
use super::error::{Outcome, retry_after};
use super::meaning::{ApiError, Meaning};
use crate::base::pause;
use bytes::Bytes;
use reqwest::Method;
use std::time::Duration;

/// Largest picture that is taken: one of 256 times 256 in PNG has at most 260 kB.
const MAX_PICTURE_BYTES: usize = 1 << 20;
/// Times that a picture which Box is still making is asked for.
const MAX_NOT_READY: u32 = 6;
/// Wait where Box does not say how long it takes.
const DEFAULT_WAIT: Duration = Duration::from_secs(2);
/// Longest single wait; somebody looks at a progress bar.
const MAX_WAIT: Duration = Duration::from_secs(30);

const THUMBNAIL: Call = Call::read("thumbnail", "/files/:id/thumbnail.png");

impl BoxClient {
    /// Box's picture of the current version of a file, PNG, at most `side` pixels high and wide; Box makes 32, 64, 128 and 256. `None`
    /// where it makes none of such a file.
    ///
    /// # Errors
    /// `NotReady` where Box does not finish the picture.
    pub async fn thumbnail(&self, file_id: &str, side: u32) -> Result<Option<Bytes>, ApiError> {
        let mut request = Request::below(Method::GET, &self.hosts().api, &["files", file_id, "thumbnail.png"]);
        for bound in ["min_height", "min_width", "max_height", "max_width"] {
            request = request.query(bound, &side.to_string());
        }
        for _ in 0..MAX_NOT_READY {
            let (outcome, response) = match self.open(&THUMBNAIL, &request).await {
                Ok(opened) => opened,
                // No picture of such a file, or none of this size.
                Err(error) if matches!(error.meaning, Meaning::NotFound | Meaning::Refused) => return Ok(None),
                Err(error) => return Err(error),
            };
            match outcome {
                Outcome::Done => return read_bytes(THUMBNAIL.name, response, MAX_PICTURE_BYTES).await.map(Some),
                Outcome::NotYet => {
                    let wait = retry_after(response.headers()).unwrap_or(DEFAULT_WAIT);
                    pause(wait.min(MAX_WAIT)).await;
                }
                // The address of a placeholder: a picture of the kind of file, not of the file.
                Outcome::Elsewhere | Outcome::Partial | Outcome::Failed => return Ok(None),
            }
        }
        Err(ApiError::new(THUMBNAIL.name, Meaning::NotReady, "Box is still making the picture"))
    }
}
