//! Following the stream of changes: page after page from a position, then a long poll until there is more (API.md 7.4).

use super::effect::Event;
use super::executor::Executor;
use crate::base::{paced, pause};
use crate::box_api::{ApiError, Heals, Poll};
use std::time::Duration;

/// Only changes of the tree; Box has no use for us in views and comments.
const STREAM: &str = "changes";
/// Events in a page: the most that Box gives (API.md 7.1).
const PAGE: u32 = 500;
/// The wait after a failure, doubled up to the second.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// The pause after Box said that there is news: what follows at once is read in the same call.
const GATHER: Duration = Duration::from_millis(700);
/// A look at the stream without being told: what a lost poll costs at most (API.md 7.4).
const SAFETY_POLL: Duration = Duration::from_secs(300);

/// Follows the stream from `position` until the engine stops; `None`: from now on.
pub async fn follow(executor: &Executor, position: Option<String>) {
    let mut position = position;
    let mut wait = FIRST_WAIT;
    // What was listed while we had no place may have changed since, untold.
    let mut missed = false;
    loop {
        match drain(executor, &mut position, &mut missed).await {
            Ok(()) => wait = FIRST_WAIT,
            Err(error) => {
                if matches!(error.heals(), Heals::Never) && position.take().is_some() {
                    log::warn!("Box no longer knows our place in its events ({error}): everything is looked at again");
                }
                missed |= position.is_none();
                executor.report(Event::NoNews(error)).await;
                pause(wait).await;
                wait = (wait * 2).min(LONGEST_WAIT);
                continue;
            }
        }
        if let Err(error) = poll(executor, position.as_deref().unwrap_or_default()).await {
            log::debug!("the realtime server fails: {error}");
            pause(wait).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }
}

/// Reads until a page brings nothing.
async fn drain(executor: &Executor, position: &mut Option<String>, missed: &mut bool) -> Result<(), ApiError> {
    loop {
        let page = match position {
            Some(position) => executor.client.events(position, STREAM, PAGE).await?,
            None => executor.client.events("now", STREAM, PAGE).await?,
        };
        // Only with a place again: listed before, a change in between would be in neither (API.md 7.4).
        if std::mem::take(missed) {
            executor.report(Event::NewsLost).await;
        }
        let done = page.entries.is_empty() || position.as_ref() == Some(&page.next);
        *position = Some(page.next.clone());
        for event in &page.entries {
            if let Some(item) = &event.source {
                executor.board.set_author(&item.id, event.created_by_login.as_deref());
            }
        }
        executor.report(Event::News { entries: page.entries, next: page.next }).await;
        if done {
            return Ok(());
        }
    }
}

/// Waits until Box says that there is more, or it is time to look without being told.
async fn poll(executor: &Executor, position: &str) -> Result<(), ApiError> {
    let server = executor.client.realtime_server().await?;
    match tokio::time::timeout(paced(SAFETY_POLL), executor.client.long_poll(&server, position)).await {
        Ok(Ok(Poll::NewChange)) => {
            pause(GATHER).await;
            Ok(())
        }
        // A realtime server that lets go is asked for again.
        Ok(Ok(Poll::Reconnect)) | Err(_) => Ok(()),
        Ok(Err(error)) => Err(error),
    }
}
