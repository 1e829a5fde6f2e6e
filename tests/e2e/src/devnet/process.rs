//! A program that runs in the background and logs into a file. It is killed when it is dropped.

use std::{
    fs::{self, File},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use crate::{Error, datadir::last_lines, patience};

/// Stopping writes out what is in memory.
const STOP_PATIENCE: Duration = Duration::from_secs(60);

/// A program in the background.
#[derive(Debug)]
pub struct Daemon {
    child: Child,
    log: PathBuf,
}

impl Daemon {
    /// Starts it. What it says is added to `log`.
    pub fn start(command: &mut Command, log: &Path) -> Result<Self, Error> {
        let failed = Error::io("open", log);
        let file = File::options().create(true).append(true).open(log).map_err(failed)?;
        let both = file.try_clone().map_err(Error::io("open", log))?;
        let started = command.stdin(Stdio::null()).stdout(file).stderr(both).spawn();
        let child = started.map_err(Error::io("start", command.get_program()))?;
        Ok(Self { child, log: log.to_owned() })
    }

    /// The operating system's id of it.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Ends it as a power cut would.
    pub fn kill(mut self) {
        self.end();
    }

    /// Asks it to end, and waits until it has; its exit code, if no signal ended it.
    pub fn stop(mut self) -> Result<Option<i32>, Error> {
        self.signal("TERM")?;
        let log = self.log.clone();
        let ended = || self.child.try_wait().ok().flatten();
        let status = patience::until("the end of a program", STOP_PATIENCE, ended, || tail(&log))?;
        Ok(status.code())
    }

    /// Sends it a signal, by its name: `STOP` and `CONT` make it stand still and go on.
    pub fn signal(&self, name: &str) -> Result<(), Error> {
        signal(self.child.id(), name)
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// What it said last.
    pub fn last_words(&self) -> String {
        tail(&self.log)
    }

    fn end(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.end();
    }
}

/// Sends a signal to a process of ours: the standard library knows only the one that kills.
pub(super) fn signal(process: u32, name: &str) -> Result<(), Error> {
    let kill = Path::new("kill");
    let words = ["-s", name, &process.to_string()];
    Command::new(kill).args(words).status().map_err(Error::io("start", kill)).map(drop)
}

fn tail(log: &Path) -> String {
    format!("{} ends:\n{}", log.display(), last_lines(&fs::read_to_string(log).unwrap_or_default()))
}

/// A port on loopback that nobody has now.
pub(super) fn free_port() -> Result<u16, Error> {
    let at = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let bound = TcpListener::bind(at).and_then(|listener| listener.local_addr());
    bound.map(|address| address.port()).map_err(Error::io("find a free port on", "127.0.0.1"))
}
