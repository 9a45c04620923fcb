//! Part arithmetic: where the parts of a file lie, and which are missing. Pure.

use crate::box_api::Part;
use std::collections::HashSet;

/// A part of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartSpan {
    pub offset: u64,
    pub len: u64,
}

/// The parts of a file of `size` bytes: each `part_size` long but the last (API.md 5.3). `part_size` is not 0.
pub fn spans(size: u64, part_size: u64) -> Vec<PartSpan> {
    (0..size.div_ceil(part_size))
        .map(|i| PartSpan { offset: i * part_size, len: part_size.min(size - i * part_size) })
        .collect()
}

/// The spans that no part of `have` fills.
pub fn missing(spans: &[PartSpan], have: &[Part]) -> Vec<PartSpan> {
    let there: HashSet<(u64, u64)> = have.iter().map(|p| (p.offset, p.size)).collect();
    spans.iter().filter(|s| !there.contains(&(s.offset, s.len))).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(offset: u64, size: u64) -> Part {
        Part { part_id: format!("{offset}"), offset, size, sha1: None }
    }

    #[test]
    fn parts_cover_the_file_without_gaps() {
        for (size, part_size) in [(1, 8), (8, 8), (9, 8), (64, 8), (1_073_741_824, 8_388_608), (20_000_001, 8_388_608)]
        {
            let spans = spans(size, part_size);
            assert_eq!(spans.len() as u64, size.div_ceil(part_size));
            let mut at = 0;
            for span in &spans {
                assert_eq!(span.offset, at);
                assert!(span.len > 0 && span.len <= part_size);
                at += span.len;
            }
            assert_eq!(at, size);
        }
    }

    #[test]
    fn only_parts_that_fit_exactly_count_as_there() {
        let spans = spans(20, 8);
        assert_eq!(missing(&spans, &[part(8, 8)]), [spans[0], spans[2]]);
        assert_eq!(missing(&spans, &[part(16, 8)]).len(), 3);
        assert!(missing(&spans, &[part(0, 8), part(8, 8), part(16, 4)]).is_empty());
    }
}
