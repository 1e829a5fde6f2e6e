//! What a process has cost so far, as the kernel counts it: the same for whatever program it is.
//!
//! Of a process that has ended, times can still be read until it is reaped. What cannot be read counts as nothing.

use std::fs;

/// What a process holds in memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// The most that was ever resident, mapped files among it.
    pub peak_rss_bytes: u64,
    /// What is anonymous now.
    pub anonymous_bytes: u64,
}

/// User and system time of all threads.
pub fn cpu_seconds(id: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    ticks(&stat) as f64 / rustix::param::clock_ticks_per_second() as f64
}

/// What it holds, and held at most.
pub fn memory(id: u32) -> Memory {
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    Memory { peak_rss_bytes: bytes_in(&status, "VmHWM:"), anonymous_bytes: bytes_in(&status, "RssAnon:") }
}

/// User and system time. The program's name, in parentheses, may contain anything.
fn ticks(stat: &str) -> u64 {
    let fields = stat.rsplit(") ").next().unwrap_or_default();
    fields.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum()
}

/// A `Name:   123 kB` line of a process' status, in bytes.
fn bytes_in(status: &str, name: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kib = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_behind_a_name_with_blanks() {
        assert_eq!(ticks("7 (a) b (c) R 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20 0"), 300);
        assert_eq!(bytes_in("VmHWM:\t    12 kB\nRssAnon: 3 kB\n", "RssAnon:"), 3072);
        assert!(memory(std::process::id()).anonymous_bytes > 0);
    }
}
