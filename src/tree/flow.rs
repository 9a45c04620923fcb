//! Whether Box's news reach this machine: the engine knows, and whoever shows names asks.

use super::store::Tree;
use std::sync::atomic::{AtomicU8, Ordering};

/// How far the names of listed folders can be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// What others do is heard soon.
    News,
    /// It is not heard, but Box answers when it is asked.
    Answers,
    /// Box cannot be reached at all.
    Nothing,
}

/// A [`Flow`] that threads share.
#[derive(Debug, Default)]
pub(super) struct SharedFlow(AtomicU8);

impl Tree {
    /// Told by whoever follows the news.
    pub fn set_flow(&self, flow: Flow) {
        self.flow.0.store(flow as u8, Ordering::Relaxed);
    }

    pub fn flow(&self) -> Flow {
        match self.flow.0.load(Ordering::Relaxed) {
            0 => Flow::News,
            1 => Flow::Answers,
            _ => Flow::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_is_what_is_asked() {
        let tree = Tree::in_memory().unwrap();
        assert_eq!(tree.flow(), Flow::News);
        for flow in [Flow::Answers, Flow::Nothing, Flow::News] {
            tree.set_flow(flow);
            assert_eq!(tree.flow(), flow);
        }
    }
}
