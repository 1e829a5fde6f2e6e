//! Our own program, as a user runs it: started with words, watched by its output and exit code, killed half-way.
//!
//! What it writes goes into files, so that a test never waits for a pipe to be emptied. It is killed when it is dropped.

use std::{
    env,
    ffi::{OsStr, OsString},
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Resource, Rlimit, prlimit};
use tempfile::TempDir;

use crate::{Error, patience};

/// Names the program under test. `cargo xtask test` builds it and sets this.
pub const PROGRAM_VARIABLE: &str = "SNAPSYNC_PROGRAM";

/// A run of the program that goes on.
#[derive(Debug)]
pub struct Running {
    child: Child,
    output: TempDir,
}

/// A run of the program that is over.
#[derive(Clone, Debug)]
pub struct Finished {
    /// How it ended.
    pub status: ExitStatus,
    /// What it wrote for programs.
    pub stdout: String,
    /// What it wrote for people.
    pub stderr: String,
}

impl Finished {
    /// The exit code; `None` when a signal ended it.
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }
}

/// The program: the one that [`PROGRAM_VARIABLE`] names, else the one that cargo built beside the running test.
pub fn locate() -> Result<PathBuf, Error> {
    if let Some(path) = env::var_os(PROGRAM_VARIABLE).filter(|path| !path.is_empty()) {
        return Ok(path.into());
    }
    let test = env::current_exe().map_err(Error::io("find", "the running test"))?;
    // target/PROFILE/deps/TEST: the programs stand one folder up.
    let beside = test.ancestors().nth(2).map(|folder| folder.join("snapsync"));
    beside
        .filter(|path| path.is_file())
        .ok_or(Error::Missing("the program snapsync (cargo build, or cargo xtask test)"))
}

/// Starts the program with `words`.
pub fn start<W: AsRef<OsStr>>(words: impl IntoIterator<Item = W>) -> Result<Running, Error> {
    start_at(&locate()?, words)
}

/// Starts the one at this path.
pub fn start_at<W: AsRef<OsStr>>(
    program: &Path,
    words: impl IntoIterator<Item = W>,
) -> Result<Running, Error> {
    let words: Vec<OsString> = words.into_iter().map(|word| word.as_ref().to_owned()).collect();
    let output = tempfile::tempdir().map_err(Error::io("make a folder in", env::temp_dir()))?;
    let file = |name: &str| {
        let path = output.path().join(name);
        File::create(&path).map_err(Error::io("make", path))
    };
    let child = Command::new(program)
        .args(words)
        .stdin(Stdio::null())
        .stdout(file("stdout")?)
        .stderr(file("stderr")?)
        .spawn()
        .map_err(Error::io("start", program))?;
    Ok(Running { child, output })
}

/// Runs the program with `words` to its end, which must come within `patience`.
pub fn run<W: AsRef<OsStr>>(
    words: impl IntoIterator<Item = W>,
    patience: Duration,
) -> Result<Finished, Error> {
    start(words)?.wait(patience)
}

impl Running {
    /// What it has written for people so far.
    pub fn stderr(&self) -> String {
        read(self.output.path(), "stderr")
    }

    /// What it has written for programs so far.
    pub fn stdout(&self) -> String {
        read(self.output.path(), "stdout")
    }

    /// The operating system's id of the process.
    pub fn process_id(&self) -> u32 {
        self.child.id()
    }

    /// From now on no file of its may grow past so many bytes: a write beyond them fails, as on a full disk.
    pub fn fill_disk_at(&self, bytes: u64) -> Result<(), Error> {
        let failed =
            |source: io::Error| Error::Io { what: "limit the files of", path: "snapsync".into(), source };
        let id = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        let id = id.ok_or_else(|| failed(io::ErrorKind::InvalidInput.into()))?;
        let limit = Rlimit { current: Some(bytes), maximum: None };
        prlimit(Some(id), Resource::Fsize, limit).map(drop).map_err(|error| failed(error.into()))
    }

    /// Whether it has ended. It is not reaped by that: it can still be awaited.
    pub fn has_ended(&self) -> bool {
        // A process that has ended and was not reaped has no memory map left.
        let path = format!("/proc/{}/statm", self.child.id());
        fs::read_to_string(path).map_or(true, |text| text.starts_with("0 "))
    }

    /// Ends it as a power cut would, and waits until it is gone.
    pub fn kill(mut self) -> Result<Finished, Error> {
        self.child.kill().map_err(Error::io("kill", "snapsync"))?;
        let status = self.child.wait().map_err(Error::io("await", "snapsync"))?;
        Ok(self.finished(status))
    }

    /// Asks it to end, as a user's Ctrl-C does.
    pub fn interrupt(&self) -> Result<(), Error> {
        let kill = Path::new("kill");
        let id = self.child.id().to_string();
        Command::new(kill).args(["-s", "INT", &id]).status().map_err(Error::io("start", kill)).map(drop)
    }

    /// Waits for its end.
    pub fn wait(mut self, patience: Duration) -> Result<Finished, Error> {
        let folder = self.output.path().to_path_buf();
        let over = || self.child.try_wait().ok().flatten();
        let status = patience::until("the end of snapsync", patience, over, || read(&folder, "stderr"))?;
        Ok(self.finished(status))
    }

    fn finished(&self, status: ExitStatus) -> Finished {
        Finished { status, stdout: self.stdout(), stderr: self.stderr() }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // One that has ended already is no fault.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn read(folder: &Path, name: &str) -> String {
    String::from_utf8_lossy(&fs::read(folder.join(name)).unwrap_or_default()).into_owned()
}
