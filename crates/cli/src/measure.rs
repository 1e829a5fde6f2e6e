//! What a run cost: CPU time, memory, hashes; and on what machine. Read from the kernel, never estimated.

use std::{collections::BTreeMap, path::Path, time::Duration};

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

impl Stage {
    /// Nanoseconds for each of so many leaves.
    pub(crate) fn nanoseconds_a_leaf(&self, leaves: u64) -> f64 {
        self.cpu_seconds * 1e9 / leaves.max(1) as f64
    }
}

/// Where the time of this process went, by the names of the threads that live now; what ended threads used is in the
/// process' total only.
pub(crate) fn stages() -> Vec<Stage> {
    stages_in(Path::new("/proc/self/task"))
}

/// The same of another process; nothing if it is gone.
pub(crate) fn stages_of(process: u32) -> Vec<Stage> {
    stages_in(&Path::new("/proc").join(process.to_string()).join("task"))
}

/// What threads used between two readings, the most first. Threads that ended in between are not in it.
pub(crate) fn between(before: &[Stage], after: Vec<Stage>) -> Vec<Stage> {
    let used = |stage: &Stage| {
        let earlier = before.iter().find(|earlier| earlier.threads == stage.threads);
        (stage.cpu_seconds - earlier.map_or(0.0, |earlier| earlier.cpu_seconds)).max(0.0)
    };
    let mut stages: Vec<Stage> =
        after.iter().map(|stage| Stage { cpu_seconds: used(stage), ..stage.clone() }).collect();
    sort(&mut stages);
    stages
}

fn stages_in(tasks: &Path) -> Vec<Stage> {
    let mut stages: BTreeMap<String, u64> = BTreeMap::new();
    for task in std::fs::read_dir(tasks).into_iter().flatten().flatten() {
        let read = |file: &str| std::fs::read_to_string(task.path().join(file)).unwrap_or_default();
        // The first word of `schedstat` is the time on a processor, in nanoseconds.
        let time = read("schedstat").split_whitespace().next().and_then(|word| word.parse::<u64>().ok());
        *stages.entry(read("comm").trim().to_owned()).or_default() += time.unwrap_or(0);
    }
    let stage = |(threads, time): (String, u64)| Stage { threads, cpu_seconds: time as f64 / 1e9 };
    let mut stages: Vec<Stage> = stages.into_iter().map(stage).collect();
    sort(&mut stages);
    stages
}

fn sort(stages: &mut [Stage]) {
    stages.sort_by(|left, right| right.cpu_seconds.total_cmp(&left.cpu_seconds));
}

/// The processor: what a figure must be read with.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Machine {
    /// What it calls itself; empty if the system does not tell.
    pub(crate) model: String,
    /// Threads that run at once.
    pub(crate) cores: usize,
    /// Those of its features that our code could use.
    pub(crate) features: Vec<String>,
}

/// The features that make a difference here: hashing, ciphers, carry chains.
const FEATURES: [&str; 10] =
    ["aes", "vaes", "bmi2", "avx2", "avx512f", "avx512bw", "avx512vl", "avx512vbmi", "asimd", "sha3"];

impl Machine {
    /// Reads it now.
    pub(crate) fn now() -> Self {
        Self::read(&std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default())
    }

    fn read(text: &str) -> Self {
        let field = |names: [&str; 2]| {
            let named = |line: &&str| names.iter().any(|name| line.starts_with(name));
            let line = text.lines().find(named)?;
            Some(line.split_once(':')?.1.trim())
        };
        // x86 and AArch64 have words of their own.
        let flags = field(["flags", "Features"]).unwrap_or_default();
        let has = |feature: &&str| flags.split_whitespace().any(|flag| flag == *feature);
        Self {
            model: field(["model name", "CPU implementer"]).unwrap_or_default().to_owned(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            features: FEATURES.iter().copied().filter(|name| has(name)).map(str::to_owned).collect(),
        }
    }
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

    #[test]
    fn what_threads_used_before_is_not_counted() {
        let stage = |threads: &str, cpu_seconds| Stage { threads: threads.into(), cpu_seconds };
        let before = [stage("a", 1.0), stage("b", 5.0)];
        let after = vec![stage("b", 5.5), stage("a", 3.0), stage("new", 1.0)];
        assert_eq!(between(&before, after), [stage("a", 2.0), stage("new", 1.0), stage("b", 0.5)]);
        assert_eq!(stage("a", 2.0).nanoseconds_a_leaf(1_000_000), 2000.0);
    }

    #[test]
    fn another_process_is_read_like_our_own() {
        let own = stages_of(std::process::id());
        assert!(!own.is_empty() && own.iter().any(|stage| stage.cpu_seconds > 0.0));
        assert_eq!(stages_of(0), []);
    }

    #[test]
    fn a_machine_is_read_in_the_words_of_either_architecture() {
        let machine = Machine::read("model name\t: Fast\nflags\t\t: fpu avx2 aes avx512f\n");
        assert_eq!((machine.model.as_str(), machine.features.len()), ("Fast", 3));
        let machine = Machine::read("CPU implementer\t: 0x41\nFeatures\t: fp asimd sha3\n");
        assert_eq!(machine.features, ["asimd", "sha3"]);
    }
}
