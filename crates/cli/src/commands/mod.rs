//! The commands, a file each.

pub(crate) mod bench;
pub(crate) mod demo;
pub(crate) mod import;
pub(crate) mod moving;
pub(crate) mod node;
pub(crate) mod place;
pub(crate) mod repair;
pub(crate) mod reset;
pub(crate) mod scenery;
pub(crate) mod served;
pub(crate) mod status;
pub(crate) mod sync;
pub(crate) mod verify;
pub(crate) mod version;
