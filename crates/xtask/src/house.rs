//! The workspace as the commands see it: where it stands.

use std::path::{Path, PathBuf};

/// The workspace's root. The program is always run from a checkout by cargo, so the place of this crate is known.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().and_then(Path::parent).unwrap_or(here).to_path_buf()
}

/// Whether this is a run whose result counts: nothing may be left out of it silently.
pub(crate) fn is_ci() -> bool {
    std::env::var_os("CI").is_some_and(|value| value == "true" || value == "1")
}
