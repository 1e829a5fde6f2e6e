//! The commands, a file each.

pub mod bench;
pub mod demo;
pub mod place;
pub mod reset;
pub mod status;
pub mod sync;
pub mod verify;
pub mod version;
