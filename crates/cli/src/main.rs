//! The front door: the snapsync program.

fn main() {}
