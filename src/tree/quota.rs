//! What the account may hold, as Box last said it, with what has been sent since.

use super::error::TreeError;
use super::store::Tree;

const KEY: &str = "quota";

/// Bytes, all of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Quota {
    pub total: u64,
    /// By everything, versions and trash included.
    pub used: u64,
    /// The largest single file.
    pub largest_file: u64,
}

impl Quota {
    pub fn free(&self) -> u64 {
        self.total.saturating_sub(self.used)
    }

    /// `TOTAL USED LARGEST`.
    fn parse(text: &str) -> Option<Quota> {
        let mut numbers = text.split_ascii_whitespace().map(|n| n.parse().ok());
        Some(Quota { total: numbers.next()??, used: numbers.next()??, largest_file: numbers.next()?? })
    }
}

impl Tree {
    /// `None` while Box has not said.
    pub fn quota(&self) -> Result<Option<Quota>, TreeError> {
        Ok(self.meta(KEY)?.as_deref().and_then(Quota::parse))
    }

    pub fn set_quota(&self, quota: Quota) -> Result<(), TreeError> {
        let Quota { total, used, largest_file } = quota;
        self.set_meta(KEY, &format!("{total} {used} {largest_file}"))
    }

    /// Box has `bytes` more; its own word comes later.
    pub fn use_quota(&self, bytes: u64) -> Result<(), TreeError> {
        match self.quota()? {
            Some(quota) => self.set_quota(Quota { used: quota.used.saturating_add(bytes), ..quota }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_is_three_numbers_or_unknown() {
        assert_eq!(Quota::parse("100 40 7"), Some(Quota { total: 100, used: 40, largest_file: 7 }));
        assert_eq!(Quota::parse("100 40"), None);
        assert_eq!(Quota::parse(""), None);
        assert_eq!(Quota::parse("a b c"), None);
    }

    #[test]
    fn what_is_sent_is_used() {
        let tree = Tree::in_memory().unwrap();
        tree.use_quota(5).unwrap();
        assert_eq!(tree.quota().unwrap(), None);
        tree.set_quota(Quota { total: 100, used: 40, largest_file: 7 }).unwrap();
        tree.use_quota(5).unwrap();
        assert_eq!(tree.quota().unwrap().unwrap().free(), 55);
    }
}
