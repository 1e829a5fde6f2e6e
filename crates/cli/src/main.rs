//! The front door: the snapsync program.

#[expect(dead_code, unused_imports, reason = "the commands that call it follow")]
mod demo;

fn main() {}
