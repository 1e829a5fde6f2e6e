//! The largest anonymous memory of this process.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

/// Between two looks.
const EVERY: Duration = Duration::from_millis(5);

/// Somebody who looks all the time, on a thread that ends with it.
#[derive(Debug)]
pub struct Peak {
    bytes: Arc<AtomicU64>,
    is_over: Arc<AtomicBool>,
    thread: thread::JoinHandle<()>,
}

impl Peak {
    /// Begins to look.
    pub fn watch() -> Self {
        let (bytes, is_over) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (seen, over) = (Arc::clone(&bytes), Arc::clone(&is_over));
        let thread = thread::spawn(move || {
            while !over.load(Ordering::Relaxed) {
                seen.fetch_max(anonymous_bytes(), Ordering::Relaxed);
                thread::park_timeout(EVERY);
            }
        });
        Self { bytes, is_over, thread }
    }

    /// Ends it: the most that it has seen, in bytes.
    pub fn end(self) -> u64 {
        self.is_over.store(true, Ordering::Relaxed);
        self.thread.thread().unpark();
        self.thread.join().map_or(0, |()| self.bytes.load(Ordering::Relaxed))
    }
}

/// Memory of this process that is in no file, in bytes; 0 where `/proc` does not tell.
pub fn anonymous_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kib.unwrap_or_default() << 10
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_seen() {
        let peak = Peak::watch();
        let held = vec![7u8; 8 << 20];
        assert!(anonymous_bytes() >= held.len() as u64, "{}", held[held.len() / 2]);
        drop(held);
        peak.end();
    }
}
