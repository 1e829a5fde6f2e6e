//! What a process costs, seen from outside.
//!
//! Threads: one, which looks; it ends with the process or with the watch.

use std::{
    fs,
    sync::mpsc::{self, RecvTimeoutError},
    thread::{self, JoinHandle},
    time::Duration,
};

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Ticks of processor time a second: the same on every Linux that runs here.
const TICKS_PER_S: f64 = 100.0;

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
        // Nothing is read of a process that is over.
        if let Some(bytes) = anonymous_bytes(process) {
            cost.anonymous_peak_bytes = cost.anonymous_peak_bytes.max(bytes);
        }
        cost.cpu_seconds = cost.cpu_seconds.max(cpu_seconds(process).unwrap_or(0.0));
        if stopped.recv_timeout(LOOK_EVERY) != Err(RecvTimeoutError::Timeout) {
            return cost;
        }
    }
}

fn anonymous_bytes(process: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib << 10)
}

fn cpu_seconds(process: u32) -> Option<f64> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // Behind the name, which may hold anything: state is the first field, user and system time are the 12th and 13th.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<f64>().ok();
    Some((ticks()? + ticks()?) / TICKS_PER_S)
}
