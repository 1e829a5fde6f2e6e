//! Lines on standard output and standard error. What cannot be written is lost: where nobody reads any more, or the disk is full that the log
//! is on, that is no reason to stop, and least of all to panic.

use std::{
    fmt::Arguments,
    io::{self, Write},
};

/// A line for programs, as `println!` takes it.
macro_rules! outln {
    ($($words:tt)*) => { $crate::say::write_line(&mut std::io::stdout(), format_args!($($words)*)) };
}

/// A line for people, as `eprintln!` takes it.
macro_rules! errln {
    ($($words:tt)*) => { $crate::say::write_line(&mut std::io::stderr(), format_args!($($words)*)) };
}

pub(crate) use {errln, outln};

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
        let mut written = Vec::new();
        write_line(&mut written, format_args!("{} {}", "a", 1));
        assert_eq!(written, b"a 1\n");
    }
}
