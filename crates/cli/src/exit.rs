//! What the program says at the end: one error type, one exit code for each kind of trouble.
//!
//! The codes are part of the interface (README): scripts may depend on them.

use snapsync_driver::Ending;
pub(crate) use snapsync_driver::Exit;

/// The error that `main` prints, with the code that it exits by.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Failure {
    /// The kind of ending.
    pub(crate) exit: Exit,
    /// A sentence for a person: what happened, and what to do.
    pub(crate) message: String,
}

impl Failure {
    /// An ending of this kind with this sentence.
    pub(crate) fn new(exit: Exit, message: impl std::fmt::Display) -> Self {
        Self { exit, message: message.to_string() }
    }
}

/// The exit code of an error, with what happened.
pub(crate) fn failure(error: snapsync_driver::Error) -> Failure {
    Failure::new(error.ending().exit, error)
}

/// The exit code of a disk's error.
pub(crate) fn storage_failure(error: &snapsync_storage::Error) -> Failure {
    Failure::new(Ending::of_disk(error).exit, error)
}

#[cfg(test)]
mod tests {
    use snapsync_storage::Error as Disk;

    use super::*;

    // ROW: F32 F60
    #[test]
    fn what_a_disk_does_exits_with_6_and_what_a_directory_is_with_3() {
        let env = "state";
        let of_the_disk = [
            Disk::DiskFull { env },
            Disk::MapFull { env, size_max: 1 },
            Disk::ReadOnly { env },
            Disk::Corrupt { table: "Accounts", key: "00".into(), why: "a test says so" },
        ];
        for error in of_the_disk {
            assert_eq!(storage_failure(&error).exit, Exit::Disk, "{error}");
            assert_eq!(failure(error.into()).exit, Exit::Disk);
        }
        let path = std::path::PathBuf::from("data");
        for error in [Disk::Locked { path: path.clone() }, Disk::Absent { path }] {
            assert_eq!(storage_failure(&error).exit, Exit::DataDirectory, "{error}");
        }
    }
}
