//! The `boxfs` command.

fn main() {}
