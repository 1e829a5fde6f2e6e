//! Whether geth is here, said loudly. A test against geth must not be green when there was none.

use std::{env, fs::OpenOptions, io::Write};

use crate::cache::{Release, Tools};

/// Names the file to which each test against geth adds a line, `ran NAME` or `skipped NAME`, so that the run can count them.
pub const TALLY_VARIABLE: &str = "SNAPSYNC_GETH_TALLY";

/// The programs of the newest geth for the test `name`. Without them it panics where the run counts (`CI=true`), and otherwise says on the
/// terminal that the test did not run.
///
/// # Panics
/// When `CI` is `true` and geth is missing.
pub fn geth_or_report(name: &str) -> Option<Tools> {
    tools_or_report(Release::Newest, name)
}

/// The same with the older geth.
///
/// # Panics
/// When `CI` is `true` and the older geth is missing.
pub fn older_geth_or_report(name: &str) -> Option<Tools> {
    tools_or_report(Release::Older, name)
}

fn tools_or_report(release: Release, name: &str) -> Option<Tools> {
    let tools = Tools::locate(release);
    tally(if tools.is_some() { "ran" } else { "skipped" }, name);
    if tools.is_none() {
        let is_ci = env::var_os("CI").is_some_and(|value| value == "true" || value == "1");
        let version = release.version();
        assert!(!is_ci, "{name}: geth {version} is missing, and CI is set (cargo xtask geth installs it)");
        // Past the capture of test output: this line must be seen.
        writeln!(
            std::io::stderr(),
            "\n### NOT RUN: {name}: geth {version} is missing (cargo xtask geth installs it) ###"
        )
        .ok();
    }
    tools
}

/// Appends one line to the tally, where there is one. Lines this short are appended whole.
fn tally(word: &str, name: &str) {
    let Some(path) = env::var_os(TALLY_VARIABLE) else { return };
    if let Ok(mut file) = OpenOptions::new().create(true).append(true).open(path) {
        file.write_all(format!("{word} {name}\n").as_bytes()).ok();
    }
}
