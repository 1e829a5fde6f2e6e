//! What each tenth of a long import took, and whether the last took more than the second.
//!
//! The first is left out: caches fill in it, and files are new.

use std::fmt;

use crate::{error::Error, process::Usage};

/// How many parts a chain is looked at in.
pub(crate) const PARTS: u64 = 10;
/// What of the second tenth's processor time the last may take: trees become deeper, and machines change their mind.
const CPU_MOST: f64 = 1.25;
/// The same of anonymous memory, and what may come on top of it: a few of an allocator's regions.
const MEMORY_MOST: f64 = 1.1;
const MEMORY_MORE_BYTES: f64 = 8.0 * 1024.0 * 1024.0;

/// What one of both processes took for a tenth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Cost {
    pub(crate) cpu_us_a_block: f64,
    /// The most that was seen.
    pub(crate) anonymous_bytes: u64,
}

/// A tenth of the chain.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Tenth {
    pub(crate) seconds: f64,
    pub(crate) importer: Cost,
    pub(crate) maker: Cost,
}

impl Cost {
    /// From what was used before a tenth and after it, and the most memory in between.
    pub(crate) fn between(before: Usage, after: Usage, anonymous_bytes: u64, blocks: u64) -> Self {
        let cpu_us_a_block = (after.cpu_seconds - before.cpu_seconds) * 1e6 / blocks as f64;
        Self { cpu_us_a_block, anonymous_bytes }
    }
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.0} us a block, {:.1} MiB", self.cpu_us_a_block, self.anonymous_bytes as f64 / 1048576.0)
    }
}

/// Whether neither memory nor processor time a block have grown, of the importer and of the maker.
pub(crate) fn check_flat(tenths: &[Tenth]) -> Result<(), Error> {
    let ([_, second, ..], Some(last)) = (tenths, tenths.last()) else {
        return Err(Error::TooFew(tenths.len() as u64));
    };
    let within = |what, second: f64, last: f64, most: f64| {
        if last > most { Err(Error::Grown { what, second, last, most }) } else { Ok(()) }
    };
    let cpu = |what, second: Cost, last: Cost| {
        within(what, second.cpu_us_a_block, last.cpu_us_a_block, second.cpu_us_a_block * CPU_MOST)
    };
    let memory = |what, second: Cost, last: Cost| {
        let (second, last) = (second.anonymous_bytes as f64, last.anonymous_bytes as f64);
        within(what, second, last, second * MEMORY_MOST + MEMORY_MORE_BYTES)
    };
    cpu("the importer's CPU us a block", second.importer, last.importer)?;
    memory("the importer's anonymous memory in bytes", second.importer, last.importer)?;
    memory("the maker's anonymous memory in bytes", second.maker, last.maker)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenth(cpu_us_a_block: f64, mib: u64) -> Tenth {
        let cost = Cost { cpu_us_a_block, anonymous_bytes: mib << 20 };
        Tenth { seconds: 1.0, importer: cost, maker: cost }
    }

    #[test]
    fn first_tenth_may_be_anything_and_the_last_not() {
        let flat = [tenth(900.0, 1), tenth(500.0, 30), tenth(2_000.0, 90), tenth(600.0, 40)];
        assert!(check_flat(&flat).is_ok());
        for grown in [tenth(700.0, 30), tenth(500.0, 60)] {
            let error = check_flat(&[flat[0], flat[1], grown]).unwrap_err();
            assert!(matches!(error, Error::Grown { .. }), "{error}");
        }
        assert!(check_flat(&flat[..1]).is_err());
    }
}
