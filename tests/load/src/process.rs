//! What a process costs, as the kernel counts it.

use std::fs;

/// What one has cost until now, and holds now.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Usage {
    /// User and system time of all threads.
    pub(crate) cpu_seconds: f64,
    pub(crate) anonymous_bytes: u64,
}

/// A process that has not been reaped.
pub(crate) fn usage(id: u32) -> Usage {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let cpu_seconds = ticks(&stat) as f64 / rustix::param::clock_ticks_per_second() as f64;
    Usage { cpu_seconds, anonymous_bytes: anonymous(&status) }
}

/// User and system time. The program's name, in parentheses, may contain anything.
fn ticks(stat: &str) -> u64 {
    let fields = stat.rsplit(") ").next().unwrap_or_default();
    fields.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum()
}

/// The line `RssAnon:   123 kB`, in bytes.
fn anonymous(status: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) << 10
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_behind_a_name_with_blanks() {
        assert_eq!(ticks("7 (a) b (c) R 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20 0"), 300);
        assert_eq!(anonymous("VmHWM:\t    12 kB\nRssAnon: 3 kB\n"), 3072);
    }
}
