//! Realtime URLs: secrets that name a user, each good for a number of polls (API.md 7.4).

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use sha1::{Digest, Sha1};

/// URLs whose polls are counted; of older ones nothing is known and nothing refused.
const MAX_COUNTED: usize = 10_000;
/// Hexadecimal digits of the user and of the URL's own number.
const USER_DIGITS: usize = 16;
const OWN_DIGITS: usize = 8;

/// The channels handed out.
#[derive(Debug)]
pub(super) struct Polls {
    secret: String,
    limit: u32,
    counted: Mutex<VecDeque<(String, u32)>>,
}

impl Polls {
    /// `limit` is how many polls each URL is good for.
    pub(super) fn new(secret: String, limit: u32) -> Polls {
        Polls { secret, limit, counted: Mutex::default() }
    }

    /// A channel of its own for a user.
    pub(super) fn open(&self, user: u64) -> String {
        let own: String = std::iter::repeat_with(|| fastrand::digit(16)).take(OWN_DIGITS).collect();
        let channel = self.channel(user, &own);
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        if counted.len() >= MAX_COUNTED {
            counted.pop_front();
        }
        counted.push_back((channel.clone(), 0));
        channel
    }

    fn channel(&self, user: u64, own: &str) -> String {
        let seal = Sha1::digest(format!("realtime/{user}/{own}/{}", self.secret));
        format!("{user:0USER_DIGITS$x}{own}{}", hex::encode(seal))
    }

    /// Whose channel it is; `None` where nobody's.
    pub(super) fn user_of(&self, channel: &str) -> Option<u64> {
        let user = u64::from_str_radix(channel.get(..USER_DIGITS)?, 16).ok()?;
        let own = channel.get(USER_DIGITS..USER_DIGITS + OWN_DIGITS)?;
        (self.channel(user, own) == channel).then_some(user)
    }

    /// Counts a poll; whether the channel was good for it.
    pub(super) fn count(&self, channel: &str) -> bool {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((_, polls)) = counted.iter_mut().find(|(one, _)| one == channel) else { return true };
        *polls += 1;
        *polls <= self.limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_is_its_users_and_good_for_so_many_polls() {
        let polls = Polls::new("secret".to_owned(), 2);
        let (first, second) = (polls.open(7), polls.open(7));
        assert_ne!(first, second);
        assert_eq!((polls.user_of(&first), polls.user_of(&format!("0{first}"))), (Some(7), None));
        assert_eq!(Polls::new("other".to_owned(), 2).user_of(&first), None);
        assert_eq!([polls.count(&first), polls.count(&first), polls.count(&first)], [true, true, false]);
        assert!(polls.count(&second));
    }
}
