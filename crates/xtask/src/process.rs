//! How programs are run: loudly, with their own output, and with a failure that names the command line.

use std::process::{Command, Stdio};

use crate::error::Error;

/// Runs `command` with our own input and output, and fails when it fails.
pub(crate) fn run(command: &mut Command) -> Result<(), Error> {
    let line = describe(command);
    eprintln!("xtask: $ {line}");
    let status = command.status().map_err(|source| Error::Start { program: line.clone(), source })?;
    if status.success() { Ok(()) } else { Err(Error::Program { program: line, status: status.to_string() }) }
}

/// Runs `command` and returns what it wrote to its standard output.
pub(crate) fn capture(command: &mut Command) -> Result<Vec<u8>, Error> {
    let line = describe(command);
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .map_err(|source| Error::Start { program: line.clone(), source })?;
    if output.status.success() {
        Ok(output.stdout)
    } else {
        Err(Error::Program { program: line, status: output.status.to_string() })
    }
}

/// Whether `command` can be started and ends well; its output is thrown away.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

fn describe(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}
