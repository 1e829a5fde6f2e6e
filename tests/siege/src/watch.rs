//! What a process costs, seen from outside.
//!
//! Threads: one, which looks; it ends with the process or with the watch.

use std::{
    sync::mpsc::{self, RecvTimeoutError},
    thread::{self, JoinHandle},
    time::Duration,
};

use snapsync_e2e::cost::{cpu_seconds, memory};

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What a process has cost until it was last seen.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Cost {
    /// RssAnon at its highest.
    pub(crate) anonymous_peak_bytes: u64,
    /// User and system time.
    pub(crate) cpu_seconds: f64,
}

/// A process under watch.
#[derive(Debug)]
pub(crate) struct Watch {
    stop: mpsc::Sender<()>,
    looker: JoinHandle<Cost>,
}

impl Watch {
    pub(crate) fn start(process: u32) -> Self {
        let (stop, stopped) = mpsc::channel();
        let looker = thread::spawn(move || look(process, &stopped));
        Self { stop, looker }
    }

    pub(crate) fn end(self) -> Cost {
        drop(self.stop);
        self.looker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

fn look(process: u32, stopped: &mpsc::Receiver<()>) -> Cost {
    let mut cost = Cost::default();
    loop {
        // Of a process that is over nothing is read, which counts as nothing.
        cost.anonymous_peak_bytes = cost.anonymous_peak_bytes.max(memory(process).anonymous_bytes);
        cost.cpu_seconds = cost.cpu_seconds.max(cpu_seconds(process));
        if stopped.recv_timeout(LOOK_EVERY) != Err(RecvTimeoutError::Timeout) {
            return cost;
        }
    }
}
