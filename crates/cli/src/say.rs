//! Lines on standard output and standard error. What cannot be written is lost: where nobody reads any more, or the disk is full that the log
//! is on, that is no reason to stop, and least of all to panic. What was lost of a result is told in the end.

use std::{
    fmt::Arguments,
    io::{self, Write},
    sync::atomic::{AtomicBool, Ordering},
};

use crate::exit::{Exit, Failure};

/// Whether a line of standard output was lost though somebody may read it.
static LOST: AtomicBool = AtomicBool::new(false);

/// A line for programs, as `println!` takes it.
macro_rules! outln {
    ($($words:tt)*) => { $crate::say::write_result(&mut std::io::stdout(), format_args!($($words)*)) };
}

/// A line for people, as `eprintln!` takes it.
macro_rules! errln {
    ($($words:tt)*) => { $crate::say::write_line(&mut std::io::stderr(), format_args!($($words)*)) };
}

pub(crate) use {errln, outln};

/// Writes a line of a result, if it can be written. Where nobody reads any more nobody misses it.
pub(crate) fn write_result(to: &mut dyn Write, line: Arguments<'_>) {
    let written = writeln!(to, "{line}");
    if written.is_err_and(|error| error.kind() != io::ErrorKind::BrokenPipe) {
        LOST.store(true, Ordering::Relaxed);
    }
}

/// Whether all that was to be written on standard output is there.
pub(crate) fn whole_result() -> Result<(), Failure> {
    if LOST.load(Ordering::Relaxed) {
        return Err(Failure::new(
            Exit::Failure,
            "standard output could not be written: what was said there is not whole",
        ));
    }
    Ok(())
}

/// Writes a line, if it can be written.
pub(crate) fn write_line(to: &mut dyn Write, line: Arguments<'_>) {
    let _lost: io::Result<()> = writeln!(to, "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A device that is full, or a reader that has gone.
    struct Full(io::ErrorKind);

    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Err(self.0.into())
        }
    }

    #[test]
    fn a_line_that_cannot_be_written_is_lost_and_stops_nobody() {
        for kind in [io::ErrorKind::StorageFull, io::ErrorKind::BrokenPipe] {
            write_line(&mut Full(kind), format_args!("a line"));
        }
        write_result(&mut Full(io::ErrorKind::BrokenPipe), format_args!("a line"));
        assert!(whole_result().is_ok(), "nobody reads it");
        write_result(&mut Full(io::ErrorKind::StorageFull), format_args!("a line"));
        assert!(whole_result().is_err());
        let mut written = Vec::new();
        write_line(&mut written, format_args!("{} {}", "a", 1));
        assert_eq!(written, b"a 1\n");
    }
}
