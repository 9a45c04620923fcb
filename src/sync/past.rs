//! Versions and the trash, as commands ask for them.

use super::engine::Engine;
use crate::base::{BoxId, Ino};
use crate::tree::{Ask, AskError, PastAsk, PastVersion, Trashed};
use tokio::sync::oneshot;

type Answer<T> = Result<T, AskError>;

impl Engine {
    /// All versions of a file, the oldest first and the current one last.
    pub async fn versions(&self, ino: Ino) -> Answer<Vec<PastVersion>> {
        let file_id = self.file_in_box(ino)?;
        self.ask_past(|reply| PastAsk::Versions { file_id, reply }).await
    }

    /// Makes the version with this number, counted from 1, the current one again, as a version of its own.
    pub async fn restore_version(&self, ino: Ino, number: u64) -> Answer<()> {
        let file_id = self.file_in_box(ino)?;
        let unsent = self.tree().node(ino).is_ok_and(|node| node.content_dirty() || node.unsealed);
        if unsent {
            let reason = "it has changes that Box does not have yet: run 'boxfs wait' first";
            return Err(AskError::Refused(reason.to_owned()));
        }
        let versions = self.versions(ino).await?;
        let count = versions.len() as u64;
        let at = usize::try_from(number).ok().and_then(|number| number.checked_sub(1));
        let Some(wanted) = at.and_then(|at| versions.get(at)) else {
            return Err(AskError::Refused(format!("there is no version {number}: it has versions 1 to {count}")));
        };
        if number == count {
            return Err(AskError::Refused(format!("version {number} is the current one")));
        }
        let version = wanted.id.clone();
        self.ask_past(|reply| PastAsk::Promote { file_id, version, reply }).await
    }

    /// What lies in the trash; items in a trashed folder are part of it.
    pub async fn trash(&self) -> Answer<Vec<Trashed>> {
        self.ask_past(PastAsk::Trash).await
    }

    /// Takes an item out of the trash; the name it has then.
    pub async fn restore_item(&self, item: BoxId) -> Answer<String> {
        self.ask_past(|reply| PastAsk::Restore { item, reply }).await
    }

    fn file_in_box(&self, ino: Ino) -> Answer<String> {
        let node = self.tree().node(ino).map_err(|_| AskError::Gone)?;
        match node.box_id {
            Some(id) if node.kind == crate::tree::NodeKind::File => Ok(id),
            Some(_) => Err(AskError::Refused("only files have versions".to_owned())),
            None => Err(AskError::Refused("Box does not have it yet".to_owned())),
        }
    }

    async fn ask_past<T>(&self, ask: impl FnOnce(oneshot::Sender<Answer<T>>) -> PastAsk) -> Answer<T> {
        let (reply, answer) = oneshot::channel();
        self.asks().send(Ask::Past(ask(reply))).await.map_err(|_| AskError::Stopping)?;
        answer.await.unwrap_or(Err(AskError::Stopping))
    }
}
