//! The front door: the snapsync program.

#[cfg_attr(not(test), expect(dead_code, reason = "the commands that call it follow"))]
mod demo;

fn main() {}
