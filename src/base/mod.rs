//! Small things with no opinion: ids, clocks, digests, durable file writes.
