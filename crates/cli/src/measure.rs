//! What a run cost: CPU time, memory, hashes. Read from the kernel, never estimated.

use std::{collections::BTreeMap, time::Duration};

/// Costs of this process so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize)]
pub(crate) struct Costs {
    /// User and system time, seconds.
    pub(crate) cpu_seconds: f64,
    /// Peak resident set, bytes, with MDBX's mapped pages.
    pub(crate) peak_rss_bytes: u64,
    /// Anonymous memory now, bytes: what the memory budget speaks of.
    pub(crate) anonymous_bytes: u64,
    /// Messages hashed.
    pub(crate) keccak: u64,
}

impl Costs {
    /// Reads them now. Fields that the system does not tell are zero.
    pub(crate) fn now() -> Self {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        Self {
            cpu_seconds: cpu_time().as_secs_f64(),
            peak_rss_bytes: kib(&status, "VmHWM:"),
            anonymous_bytes: kib(&status, "RssAnon:"),
            keccak: snapsync_keccak::hashes_done(),
        }
    }
}

/// CPU time of one stage: all threads of a name, since their start.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub(crate) struct Stage {
    /// The threads' name, as the kernel cuts it.
    pub(crate) threads: String,
    /// Their CPU time, seconds.
    pub(crate) cpu_seconds: f64,
}

/// Where the time of this process went, by the names of the threads that live now; what ended threads used is in the
/// process' total only.
pub(crate) fn stages() -> Vec<Stage> {
    let mut stages: BTreeMap<String, u64> = BTreeMap::new();
    for task in std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten() {
        let read = |file: &str| std::fs::read_to_string(task.path().join(file)).unwrap_or_default();
        // The first word of `schedstat` is the time on a processor, in nanoseconds.
        let time = read("schedstat").split_whitespace().next().and_then(|word| word.parse::<u64>().ok());
        *stages.entry(read("comm").trim().to_owned()).or_default() += time.unwrap_or(0);
    }
    let stage = |(threads, time): (String, u64)| Stage { threads, cpu_seconds: time as f64 / 1e9 };
    let mut stages: Vec<Stage> = stages.into_iter().map(stage).collect();
    stages.sort_by(|left, right| right.cpu_seconds.total_cmp(&left.cpu_seconds));
    stages
}

/// A `Name:   123 kB` line of `/proc/self/status`, in bytes.
fn kib(status: &str, name: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    number.unwrap_or(0) * 1024
}

#[expect(unsafe_code, reason = "getrusage has no safe wrapper in the standard library")]
fn cpu_time() -> Duration {
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: `usage` is a valid, writable rusage, and all-zero bytes are a valid value should the call fail.
    let usage = unsafe {
        libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr());
        usage.assume_init()
    };
    let time = |value: libc::timeval| {
        Duration::new(value.tv_sec.unsigned_abs(), 0) + Duration::from_micros(value.tv_usec.unsigned_abs())
    };
    time(usage.ru_utime) + time(usage.ru_stime)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_rise_with_work() {
        let before = Costs::now();
        let data = vec![7u8; 1 << 20];
        for _ in 0..20 {
            assert_ne!(snapsync_keccak::keccak256(&data), alloy_primitives::B256::ZERO);
        }
        let after = Costs::now();
        assert!(after.cpu_seconds > before.cpu_seconds);
        assert!(after.keccak >= before.keccak + 20);
        assert!(after.anonymous_bytes > 1 << 20 && after.peak_rss_bytes >= after.anonymous_bytes / 2);
    }
}
