//! A page cache without free memory behind it, so that every new page is an old one of the same machine.
//!
//! A virtual machine may give free memory back to its host and pay for each page of it when it is next touched, several times what
//! copying into the page costs. Programs that write much then look slower than their own work makes them; a system whose
//! memory is full, as that of a node that has run for an hour, does not show it.
//!
//! It does not measure anything.

use std::{
    fs::{self, File},
    io::Write,
    path::Path,
};

use crate::error::Error;

const MIB: usize = 1 << 20;

/// A file that keeps the page cache full; removed when dropped.
#[derive(Debug)]
pub(crate) struct FullCache {
    _file: File,
}

impl FullCache {
    /// Fills free memory with clean pages of a file in `folder`, which is on a disk. BLOCKING: for as long as that takes.
    pub(crate) fn fill(folder: &Path) -> Result<Self, Error> {
        let at_disk = |source| Error::io("fill a file in", folder)(source);
        let mut file = tempfile::tempfile_in(folder).map_err(at_disk)?;
        let mib = free_mib(&fs::read_to_string("/proc/meminfo").map_err(Error::io("read", "/proc/meminfo"))?);
        eprintln!("xtask: filling the page cache, {mib} MiB");
        let zeros = vec![0; MIB];
        for _ in 0..mib {
            file.write_all(&zeros).map_err(at_disk)?;
        }
        // Dirty pages cannot be taken for anything else.
        file.sync_all().map_err(at_disk)?;
        Ok(Self { _file: file })
    }
}

/// What is free for anything, as the kernel tells it.
fn free_mib(meminfo: &str) -> u64 {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemFree:"));
    let kib = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) / 1024
}

#[cfg(test)]
mod tests {
    use super::free_mib;

    #[test]
    fn free_memory_is_read() {
        assert_eq!(free_mib("MemTotal:  9 kB\nMemFree:    8192 kB\nMemAvailable: 9000 kB\n"), 8);
        assert_eq!(free_mib(""), 0);
    }
}
