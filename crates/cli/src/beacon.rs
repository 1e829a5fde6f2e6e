//! What a running sync says of itself to `status`: a small file beside the database, written anew each second.
//!
//! It is worth something only while its writer holds the directory's lock: what a kill left is of nobody, and is not believed. Nothing of the
//! sync depends on it, so that a disk which does not take it stops nobody.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use snapsync_driver::{Gain, Progress};
use snapsync_storage::{DatadirLock, LOCK_FILE};

const FILE: &str = "running.json";

/// A person looks no more often.
const EVERY: Duration = Duration::from_secs(1);

/// What it says; in `status --json` under these names.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Running {
    /// Who wrote it.
    pub(crate) process: u32,
    /// The phase.
    pub(crate) phase: String,
    /// Connected peers.
    pub(crate) peers: usize,
    /// Seconds since something last became durable.
    pub(crate) idle_seconds: u64,
    /// The name of the stall, if it stands still or loses to the head.
    pub(crate) stalled: Option<String>,
    /// How long that has lasted, seconds.
    pub(crate) stalled_seconds: u64,
    /// What it waits for, for a person.
    pub(crate) waiting_for: Option<String>,
    /// The newest block whose headers are held.
    pub(crate) head: Option<u64>,
    /// The block that the oldest rows are of, once none is missing.
    pub(crate) rows_at: Option<u64>,
    /// Blocks by which rows were brought on lately, against blocks that were produced.
    pub(crate) gain: Option<Gain>,
    /// Seconds since the consensus client said something; nothing, if it never has, or there is none.
    pub(crate) silence_seconds: Option<u64>,
}

impl Running {
    fn of(progress: &Progress, silence: Option<Duration>) -> Self {
        Self {
            process: std::process::id(),
            phase: progress.phase.clone(),
            peers: progress.peers,
            idle_seconds: progress.idle.as_secs(),
            stalled: progress.stalled.map(str::to_owned),
            stalled_seconds: progress.stalled_for.as_secs(),
            waiting_for: progress.waiting_for.clone(),
            head: progress.head_number,
            rows_at: progress.rows_at,
            gain: progress.gain_lately,
            silence_seconds: silence.map(|silence| silence.as_secs()),
        }
    }

    /// What the sync that runs in this directory says; nothing if none does.
    pub(crate) fn read(datadir: &Path) -> Option<Self> {
        if !DatadirLock::is_held(datadir) {
            return None;
        }
        let running: Self = serde_json::from_slice(&fs::read(datadir.join(FILE)).ok()?).ok()?;
        let holder = fs::read_to_string(datadir.join(LOCK_FILE)).ok()?;
        (holder.trim().parse() == Ok(running.process)).then_some(running)
    }
}

/// Writes the file, and takes it away at the end.
#[derive(Debug)]
pub(crate) struct Beacon {
    file: PathBuf,
    last: Option<Instant>,
}

impl Beacon {
    /// Nothing is written yet.
    pub(crate) fn new(datadir: &Path) -> Self {
        Self { file: datadir.join(FILE), last: None }
    }

    /// Writes the newest figures, and how long the consensus client has said nothing, if it is time.
    pub(crate) fn show(&mut self, progress: &Progress, silence: Option<Duration>) {
        if self.last.is_some_and(|last| last.elapsed() < EVERY) {
            return;
        }
        self.last = Some(Instant::now());
        let Ok(text) = serde_json::to_vec(&Running::of(progress, silence)) else { return };
        // Whoever reads sees the old one or the new one.
        let new = self.file.with_extension("new");
        let _not_shown = fs::write(&new, text).and_then(|()| fs::rename(&new, &self.file));
    }
}

impl Drop for Beacon {
    fn drop(&mut self) {
        let _never_shown = fs::remove_file(&self.file);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_holds_the_lock_is_believed_and_nothing_is_left_behind() {
        let dir = tempfile::tempdir().expect("a directory");
        let progress = Progress {
            phase: "download".into(),
            stalled: Some("peers_lack_state"),
            stalled_for: Duration::from_secs(40),
            ..Progress::default()
        };
        let mut beacon = Beacon::new(dir.path());
        beacon.show(&progress, Some(Duration::from_secs(7)));
        assert_eq!(Running::read(dir.path()), None, "nobody holds the lock: a kill left it");
        let lock = DatadirLock::acquire(dir.path()).expect("free");
        let running = Running::read(dir.path()).expect("it runs");
        assert_eq!((running.stalled.as_deref(), running.stalled_seconds), (Some("peers_lack_state"), 40));
        assert_eq!(running.silence_seconds, Some(7));
        fs::write(dir.path().join(LOCK_FILE), "1\n").expect("written");
        assert_eq!(Running::read(dir.path()), None, "another process holds it now");
        drop(beacon);
        assert!(!dir.path().join(FILE).exists());
        drop(lock);
    }
}
