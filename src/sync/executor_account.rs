//! What the account may hold: asked for now and then, when it is in doubt, and counted on from in between.

use super::effect::Answer;
use super::executor::Executor;
use crate::base::pause;
use crate::box_api::{ApiError, Meaning};
use crate::tree::Quota;
use std::time::Duration;

/// How old Box's word on the quota gets: others fill and empty the account too, and `df` shows it.
const LOOK_EVERY: Duration = Duration::from_secs(600);
/// The pause after a refusal for lack of space: those that follow at once ask once.
const AFTER_REFUSAL: Duration = Duration::from_secs(1);

/// Asks until the engine stops.
pub async fn watch(executor: Executor) {
    loop {
        tokio::select! {
            () = pause(LOOK_EVERY) => {}
            () = executor.board.quota_in_doubt() => pause(AFTER_REFUSAL).await,
        }
        look(&executor).await;
    }
}

/// Asks once and notes the answer; without one, what was known stays.
pub async fn look(executor: &Executor) {
    let account = match executor.client.me().await {
        Ok(account) => account,
        Err(error) => return log::debug!("the quota stays as it was known: {error}"),
    };
    if let (Some(total), Some(used)) = (account.space_amount, account.space_used) {
        let largest_file = account.max_upload_size.unwrap_or(total);
        if let Err(error) = executor.tree.set_quota(Quota { total, used, largest_file }) {
            log::warn!("the quota cannot be noted: {error}");
        }
    }
}

/// An upload of `bytes` is over: they count as used, or the quota is in doubt.
pub fn count(executor: &Executor, bytes: u64, result: &Result<Answer, ApiError>) {
    match result {
        Ok(Answer::Item(_)) => {
            if let Err(error) = executor.tree.use_quota(bytes) {
                log::warn!("the quota cannot be noted: {error}");
            }
        }
        Err(error) if matches!(error.meaning, Meaning::OutOfQuota | Meaning::FileTooLarge) => {
            executor.board.doubt_quota();
        }
        _ => {}
    }
}
