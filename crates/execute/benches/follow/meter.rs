//! Wall time and processor time of this process.

use std::{
    fs,
    time::{Duration, Instant},
};

use crate::Outcome;

/// A tick of `/proc/self/stat`, as all kernels have it for programs.
const TICK: Duration = Duration::from_millis(10);

/// What something took.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cost {
    pub(crate) wall: Duration,
    /// Of all threads, the system's part among it. A single one is as exact as a tick: many are to be added.
    pub(crate) cpu: Duration,
}

/// Runs from its start.
pub(crate) struct Clock {
    began: Instant,
    cpu: Duration,
}

impl Clock {
    pub(crate) fn start() -> Outcome<Self> {
        Ok(Self { began: Instant::now(), cpu: cpu_time()? })
    }

    /// What went by since the start.
    pub(crate) fn stop(self) -> Outcome<Cost> {
        Ok(Cost { wall: self.began.elapsed(), cpu: cpu_time()?.saturating_sub(self.cpu) })
    }
}

/// Processor time of this process.
fn cpu_time() -> Outcome<Duration> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    // The second field is a name in brackets; the 14th and 15th are the times of the program and of the system for it.
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks: u32 = fields.skip(11).take(2).map(str::parse::<u32>).sum::<Result<_, _>>()?;
    Ok(TICK * ticks)
}

/// The same of many blocks.
#[derive(Default)]
pub(crate) struct Costs(Vec<Cost>);

impl Costs {
    pub(crate) fn push(&mut self, cost: Cost) {
        self.0.push(cost);
    }

    /// Milliseconds of wall time, the median.
    pub(crate) fn median_ms(&self) -> f64 {
        let mut walls: Vec<Duration> = self.0.iter().map(|cost| cost.wall).collect();
        walls.sort_unstable();
        walls.get(walls.len() / 2).map_or(0.0, |wall| wall.as_secs_f64() * 1e3)
    }

    /// Milliseconds of processor time, the mean.
    pub(crate) fn cpu_ms(&self) -> f64 {
        let all: Duration = self.0.iter().map(|cost| cost.cpu).sum();
        all.as_secs_f64() * 1e3 / self.0.len().max(1) as f64
    }

    /// Seconds of wall time, all of them.
    pub(crate) fn seconds(&self) -> f64 {
        self.0.iter().map(|cost| cost.wall).sum::<Duration>().as_secs_f64()
    }
}
