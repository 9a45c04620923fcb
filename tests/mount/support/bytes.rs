//! Bytes to write: different everywhere, the same in each run, and their digest.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use sha1::{Digest, Sha1};

const BLOCK_BYTES: usize = 1024 * 1024;

/// `size` bytes that no shift and no swap of blocks leaves equal.
pub fn bytes_of(size: usize, seed: u64) -> Vec<u8> {
    let mut all = Vec::with_capacity(size);
    let mut blocks = Blocks::new(seed);
    while all.len() < size {
        let block = blocks.next_block();
        all.extend_from_slice(&block[..BLOCK_BYTES.min(size - all.len())]);
    }
    all
}

pub fn sha1_hex(bytes: &[u8]) -> String {
    hex::encode(Sha1::digest(bytes))
}

/// Makes a file of [`bytes_of`] without holding it in memory; gives its SHA-1.
pub fn write_large(path: &Path, size: u64, seed: u64) -> String {
    let mut file = BufWriter::new(File::create(path).unwrap());
    let (mut blocks, mut digest, mut left) = (Blocks::new(seed), Sha1::new(), size);
    while left > 0 {
        let block = blocks.next_block();
        let some = &block[..usize::try_from(left).unwrap_or(BLOCK_BYTES).min(BLOCK_BYTES)];
        file.write_all(some).unwrap();
        digest.update(some);
        left -= some.len() as u64;
    }
    file.into_inner().unwrap();
    hex::encode(digest.finalize())
}

/// One random block, stamped with its number.
struct Blocks {
    block: Vec<u8>,
    count: u64,
}

impl Blocks {
    fn new(seed: u64) -> Blocks {
        let mut block = vec![0; BLOCK_BYTES];
        fastrand::Rng::with_seed(seed).fill(&mut block);
        Blocks { block, count: 0 }
    }

    fn next_block(&mut self) -> &[u8] {
        self.block[..8].copy_from_slice(&self.count.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes());
        self.count += 1;
        &self.block
    }
}
