//! The trace: what happened, as a hash, and as text when somebody reads along.
//!
//! Lines are formatted straight into the hash, so that five hundred stories need no memory for their text. The hash is
//! FNV-1a: it tells two runs of one seed apart, it protects nothing.

use std::{fmt, time::Duration};

/// The running trace of one story.
#[derive(Debug)]
pub struct Trace {
    hash: u64,
    lines: u64,
    echo: Echo,
}

/// Where the text of a trace goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Echo {
    /// Only into the hash.
    Nowhere,
    /// Also to standard output, line by line.
    Stdout,
}

impl Trace {
    /// An empty trace.
    #[must_use]
    pub fn new(echo: Echo) -> Self {
        Self { hash: 0xcbf2_9ce4_8422_2325, lines: 0, echo }
    }

    /// Adds a line.
    pub fn note(&mut self, now: Duration, line: fmt::Arguments<'_>) {
        if self.echo == Echo::Stdout {
            println!("{:>10.3}s  {line}", now.as_secs_f64());
        }
        self.lines += 1;
        let micros = now.as_micros();
        fmt::Write::write_fmt(self, format_args!("{micros} {line}\n")).expect("hashing does not fail");
    }

    /// The hash of all lines so far.
    #[must_use]
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// How many lines there are.
    #[must_use]
    pub fn lines(&self) -> u64 {
        self.lines
    }
}

impl fmt::Write for Trace {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        for byte in s.bytes() {
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_and_time_are_part_of_the_hash() {
        let run = |lines: &[(u64, &str)]| {
            let mut trace = Trace::new(Echo::Nowhere);
            for (at, line) in lines {
                trace.note(Duration::from_millis(*at), format_args!("{line}"));
            }
            trace.hash()
        };
        assert_eq!(run(&[(1, "a"), (2, "b")]), run(&[(1, "a"), (2, "b")]));
        assert_ne!(run(&[(1, "a"), (2, "b")]), run(&[(1, "b"), (2, "a")]));
        assert_ne!(run(&[(1, "a")]), run(&[(2, "a")]));
    }
}
