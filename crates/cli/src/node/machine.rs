//! Whether this machine can run a node: room on the disk, and memory for what it was told to use.
//!
//! It is looked at once, before the start. What becomes of it later the engine tells: a disk that fills up ends a run with its own words.

use std::path::Path;

use crate::exit::{Exit, Failure};

/// Below this a disk is as good as full: batches of a few hundred MiB, the log, and what else is on it.
const FREE_BYTES_MIN: u64 = 2 << 30;

/// What a machine has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Machine {
    /// Bytes that are free where the data directory is, or will be.
    pub(crate) free_bytes: u64,
    /// Bytes of memory that this process may have at most; 0 if the system does not tell.
    pub(crate) memory_bytes: u64,
}

impl Machine {
    /// This one.
    pub(crate) fn of(datadir: &Path) -> Result<Self, Failure> {
        // The folder may be made later: what is there of its path is on the same disk.
        let there = std::path::absolute(datadir).unwrap_or_else(|_| datadir.to_owned());
        let there = there.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/")).to_owned();
        let disk = rustix::fs::statvfs(&there).map_err(|error| {
            let why = std::io::Error::from(error);
            Failure::new(Exit::Disk, format!("cannot look at the disk of {}: {why}", datadir.display()))
        })?;
        Ok(Self { free_bytes: disk.f_bavail.saturating_mul(disk.f_frsize), memory_bytes: memory_bytes() })
    }

    /// Whether it can run a node with such a budget.
    pub(crate) fn can_run(&self, datadir: &Path, budget_bytes: u64) -> Result<(), Failure> {
        let Self { free_bytes, memory_bytes } = *self;
        if free_bytes < FREE_BYTES_MIN {
            let (free, least) = (free_bytes >> 20, FREE_BYTES_MIN >> 20);
            let what = format!(
                "the disk of {} has {free} MiB free, and a node needs {least} MiB to begin: make room, or name another --datadir",
                datadir.display()
            );
            return Err(Failure::new(Exit::Disk, what));
        }
        if memory_bytes > 0 && budget_bytes > memory_bytes {
            let (budget, has) = (budget_bytes >> 20, memory_bytes >> 20);
            let what = format!(
                "--memory {budget}: this machine has {has} MiB in all; half of that is a good budget"
            );
            return Err(Failure::new(Exit::Usage, what));
        }
        Ok(())
    }
}

/// The machine's memory, or what the container is limited to.
fn memory_bytes() -> u64 {
    let all = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let all = all
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix("kB")?.trim().parse().ok());
    let all = all.map_or(0, |kib: u64| kib.saturating_mul(1024));
    let limit = std::fs::read_to_string("/sys/fs/cgroup/memory.max").ok();
    let limit = limit.and_then(|limit| limit.trim().parse().ok()).unwrap_or(u64::MAX);
    all.min(limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_little_disk_and_too_large_a_budget_are_told_with_figures() {
        let machine = Machine { free_bytes: 3 << 30, memory_bytes: 1 << 30 };
        let datadir = Path::new("/data");
        assert!(machine.can_run(datadir, 512 << 20).is_ok());
        let large = machine.can_run(datadir, 2 << 30).expect_err("too large");
        assert_eq!(large.exit, Exit::Usage);
        assert!(
            large.message.contains("--memory 2048") && large.message.contains("1024 MiB in all"),
            "{large}"
        );
        let full = Machine { free_bytes: 7 << 20, ..machine }.can_run(datadir, 1).expect_err("full");
        assert_eq!(full.exit, Exit::Disk);
        assert!(full.message.contains("/data has 7 MiB free"), "{full}");
        let unknown = Machine { memory_bytes: 0, ..machine };
        assert!(unknown.can_run(datadir, u64::MAX).is_ok(), "a system that does not tell");
    }

    #[test]
    fn this_machine_has_a_disk_and_memory_where_the_folder_is_not_made_yet() {
        let dir = tempfile::tempdir().expect("a directory");
        let machine = Machine::of(&dir.path().join("not/made/yet")).expect("looked at");
        assert!(machine.free_bytes > 0);
        assert_eq!(machine.memory_bytes > 0, Path::new("/proc/meminfo").exists());
    }
}
