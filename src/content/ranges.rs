//! A set of byte ranges; pure.
//!
//! The line it lies on is endless: a present content covers `0..u64::MAX`, whatever its size. So "at or beyond the
//! smallest size since base everything is zero and present" is one [`Ranges::insert`] of `size..u64::MAX`.

use std::ops::Range;

/// Byte ranges, sorted, not empty, not touching each other.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Ranges {
    parts: Vec<Range<u64>>,
}

/// Bytes from the database that are no set of ranges.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("these bytes are no set of ranges")]
pub struct RangesError;

impl Ranges {
    /// The empty set.
    pub fn new() -> Ranges {
        Ranges::default()
    }

    /// All there is: `0..u64::MAX`.
    pub fn whole() -> Ranges {
        Ranges::from(0)
    }

    /// Everything at or beyond `start`: what is present of a content of `start` bytes of which nothing was fetched.
    pub fn from(start: u64) -> Ranges {
        let mut ranges = Ranges::new();
        ranges.insert(start..u64::MAX);
        ranges
    }

    pub fn is_whole(&self) -> bool {
        self.covers(&(0..u64::MAX))
    }

    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// How many separate ranges there are.
    pub fn count(&self) -> usize {
        self.parts.len()
    }

    pub fn iter(&self) -> impl Iterator<Item = &Range<u64>> {
        self.parts.iter()
    }

    pub fn insert(&mut self, range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        let first = self.parts.partition_point(|p| p.end < range.start);
        let last = self.parts.partition_point(|p| p.start <= range.end);
        let start = self.parts[first..last].first().map_or(range.start, |p| p.start.min(range.start));
        let end = self.parts[first..last].last().map_or(range.end, |p| p.end.max(range.end));
        self.parts.splice(first..last, std::iter::once(start..end));
    }

    pub fn remove(&mut self, range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        let first = self.parts.partition_point(|p| p.end <= range.start);
        let last = self.parts.partition_point(|p| p.start < range.end);
        let before = self.parts[first..last].first().map(|p| p.start..range.start);
        let after = self.parts[first..last].last().map(|p| range.end..p.end);
        let rest: Vec<_> = [before, after].into_iter().flatten().filter(|p| !p.is_empty()).collect();
        self.parts.splice(first..last, rest);
    }

    /// Forgets everything at or beyond `len`.
    pub fn truncate(&mut self, len: u64) {
        self.remove(len..u64::MAX);
    }

    /// Whether every byte of `range` is in the set; an empty range always is.
    pub fn covers(&self, range: &Range<u64>) -> bool {
        let at = self.parts.partition_point(|p| p.end <= range.start);
        range.is_empty() || self.parts.get(at).is_some_and(|p| p.start <= range.start && range.end <= p.end)
    }

    /// Whether any byte of `range` is in the set.
    pub fn touches(&self, range: &Range<u64>) -> bool {
        let at = self.parts.partition_point(|p| p.end <= range.start);
        !range.is_empty() && self.parts.get(at).is_some_and(|p| p.start < range.end)
    }

    /// The parts of `range` that are not in the set, in order.
    pub fn missing(&self, range: &Range<u64>) -> Vec<Range<u64>> {
        let mut missing = Vec::new();
        let mut at = range.start;
        let first = self.parts.partition_point(|p| p.end <= range.start);
        for part in self.parts[first..].iter().take_while(|p| p.start < range.end) {
            if at < part.start {
                missing.push(at..part.start);
            }
            at = part.end;
        }
        if at < range.end {
            missing.push(at..range.end);
        }
        missing
    }

    /// The form for the database: the gaps and lengths in turn, each as a little-endian base-128 number.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.parts.len() * 4);
        let mut at = 0;
        for part in &self.parts {
            push_number(&mut bytes, part.start - at);
            push_number(&mut bytes, part.end - part.start);
            at = part.end;
        }
        bytes
    }

    /// # Errors
    /// Anything that [`Ranges::to_bytes`] does not write.
    pub fn from_bytes(mut bytes: &[u8]) -> Result<Ranges, RangesError> {
        let mut ranges = Ranges::new();
        let mut at = 0u64;
        while !bytes.is_empty() {
            let gap = take_number(&mut bytes).ok_or(RangesError)?;
            let len = take_number(&mut bytes).filter(|&len| len > 0).ok_or(RangesError)?;
            let start = at.checked_add(gap).filter(|_| gap > 0 || at == 0).ok_or(RangesError)?;
            at = start.checked_add(len).ok_or(RangesError)?;
            ranges.parts.push(start..at);
        }
        Ok(ranges)
    }
}

fn push_number(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn take_number(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        let bits = u64::from(byte & 0x7f);
        if shift == 63 && bits > 1 {
            return None;
        }
        number |= bits << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    // A vector of one range is what is meant here.
    #![allow(clippy::single_range_in_vec_init)]

    use super::*;
    use proptest::prelude::*;

    /// The line of the model: one truth value a byte.
    const LINE: u64 = 64;

    #[derive(Debug, Clone)]
    enum Step {
        Insert(Range<u64>),
        Remove(Range<u64>),
        Truncate(u64),
    }

    fn range() -> impl Strategy<Value = Range<u64>> {
        (0..LINE, 0..LINE).prop_map(|(a, b)| a.min(b)..a.max(b))
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            3 => range().prop_map(Step::Insert),
            2 => range().prop_map(Step::Remove),
            1 => (0..LINE).prop_map(Step::Truncate),
        ]
    }

    fn apply(ranges: &mut Ranges, model: &mut [bool], step: &Step) {
        let (span, value) = match step {
            Step::Insert(r) => (r.clone(), true),
            Step::Remove(r) => (r.clone(), false),
            Step::Truncate(len) => (*len..LINE, false),
        };
        model[span.start as usize..span.end as usize].fill(value);
        match step.clone() {
            Step::Insert(r) => ranges.insert(r),
            Step::Remove(r) => ranges.remove(r),
            Step::Truncate(len) => ranges.truncate(len),
        }
    }

    proptest! {
        #[test]
        fn any_sequence_of_steps_agrees_with_a_plain_model(steps in prop::collection::vec(step(), 0..40), probe in range()) {
            let mut ranges = Ranges::new();
            let mut model = [false; LINE as usize];
            for step in &steps {
                apply(&mut ranges, &mut model, step);
            }
            let of_probe = &model[probe.start as usize..probe.end as usize];
            prop_assert_eq!(ranges.covers(&probe), of_probe.iter().all(|&b| b));
            prop_assert_eq!(ranges.touches(&probe), of_probe.iter().any(|&b| b));
            let mut missing = vec![false; of_probe.len()];
            for gap in ranges.missing(&probe) {
                missing[(gap.start - probe.start) as usize..(gap.end - probe.start) as usize].fill(true);
            }
            prop_assert!(missing.iter().zip(of_probe).all(|(m, p)| m != p));
            prop_assert!(ranges.parts.windows(2).all(|w| w[0].end < w[1].start));
            prop_assert!(ranges.parts.iter().all(|p| !p.is_empty()));
            prop_assert_eq!(Ranges::from_bytes(&ranges.to_bytes()), Ok(ranges));
        }

        #[test]
        fn foreign_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(ranges) = Ranges::from_bytes(&bytes) {
                prop_assert_eq!(Ranges::from_bytes(&ranges.to_bytes()), Ok(ranges));
            }
        }
    }

    #[test]
    fn beyond_the_smallest_size_everything_is_present() {
        let mut ranges = Ranges::from(1000);
        assert_eq!(ranges.missing(&(0..2000)), vec![0..1000]);
        ranges.insert(400..u64::MAX);
        assert_eq!(ranges.missing(&(0..u64::MAX)), vec![0..400]);
        ranges.insert(0..400);
        assert!(ranges.is_whole());
        assert_eq!(ranges, Ranges::whole());
    }

    #[test]
    fn a_whole_set_takes_few_bytes() {
        assert!(Ranges::whole().to_bytes().len() <= 11);
        assert_eq!(Ranges::from_bytes(&Ranges::whole().to_bytes()), Ok(Ranges::whole()));
    }
}
