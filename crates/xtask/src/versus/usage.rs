//! What a process costs, as the kernel counts it: seen from outside, the same way for whatever program it is.
//!
//! Processor time comes from `/proc/PID/stat`, which still tells it of a process that has ended until it is reaped; peaks of
//! memory are looked at every 20 ms. Threads: one, which looks; it ends with the watch.

use std::{
    fmt, fs,
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc::{self, RecvTimeoutError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
use snapsync_e2e::cost::{self, Memory};

use crate::error::Error;

/// Between two looks at a process' memory.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// What a process has cost.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Usage {
    pub(crate) wall_seconds: f64,
    /// User and system time of all threads.
    pub(crate) cpu_seconds: f64,
    /// Resident memory, mapped files among it.
    pub(crate) peak_rss_bytes: u64,
    pub(crate) peak_anonymous_bytes: u64,
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mib = |bytes: u64| bytes >> 20;
        write!(
            f,
            "{:.2} s, {:.2} CPU s, {} MiB at most, {} MiB of it anonymous",
            self.wall_seconds,
            self.cpu_seconds,
            mib(self.peak_rss_bytes),
            mib(self.peak_anonymous_bytes)
        )
    }
}

/// A running process under watch.
pub(crate) struct Watch {
    id: u32,
    start: Instant,
    cpu_before: f64,
    stop: mpsc::Sender<()>,
    looker: JoinHandle<(u64, u64)>,
}

impl Watch {
    /// Watches the process from now on: time before this does not count, memory does.
    pub(crate) fn start(id: u32) -> Self {
        let (stop, stopped) = mpsc::channel();
        let looker = thread::spawn(move || look(id, &stopped));
        Self { id, start: Instant::now(), cpu_before: cost::cpu_seconds(id), stop, looker }
    }

    /// What it has cost since. The process must not have been reaped.
    pub(crate) fn end(self) -> Usage {
        let wall_seconds = self.start.elapsed().as_secs_f64();
        let cpu_seconds = cost::cpu_seconds(self.id) - self.cpu_before;
        drop(self.stop);
        // BLOCKING: for the time of a look.
        let (peak_rss_bytes, peak_anonymous_bytes) = self.looker.join().unwrap_or_default();
        Usage { wall_seconds, cpu_seconds, peak_rss_bytes, peak_anonymous_bytes }
    }
}

/// The highest of what is resident, and of what of it is anonymous, until the watch ends.
fn look(id: u32, stopped: &mpsc::Receiver<()>) -> (u64, u64) {
    let (mut resident, mut anonymous) = (0, 0);
    loop {
        let Memory { peak_rss_bytes, anonymous_bytes } = cost::memory(id);
        (resident, anonymous) = (resident.max(peak_rss_bytes), anonymous.max(anonymous_bytes));
        match stopped.recv_timeout(LOOK_EVERY) {
            Err(RecvTimeoutError::Timeout) => {}
            Ok(()) | Err(RecvTimeoutError::Disconnected) => return (resident, anonymous),
        }
    }
}

/// Runs a program to its end: what it cost, and what it wrote. One that fails is an error with its last words.
pub(crate) fn run(command: &mut Command, output: &Path) -> Result<(Usage, String), Error> {
    let program = command.get_program().to_string_lossy().into_owned();
    let file = fs::File::create(output).map_err(Error::io("make", output))?;
    let child = command.stdin(Stdio::null()).stdout(file).spawn();
    let mut child = Guard(child.map_err(|source| Error::Start { program: program.clone(), source })?);
    let watch = Watch::start(child.0.id());
    // BLOCKING: until the program has ended. It stays unreaped, so that its times can be read.
    let id = i32::try_from(child.0.id()).ok().and_then(Pid::from_raw).ok_or(Error::Output("a process id"))?;
    waitid(WaitId::Pid(id), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT)
        .map_err(|error| Error::Start { program: program.clone(), source: error.into() })?;
    let usage = watch.end();
    let status = child.0.wait().map_err(Error::io("await", &program))?;
    if !status.success() {
        return Err(Error::Program { program, status: status.to_string() });
    }
    let text = fs::read_to_string(output).map_err(Error::io("read", output))?;
    Ok((usage, text))
}

/// A child that does not outlive us.
struct Guard(Child);

impl Drop for Guard {
    fn drop(&mut self) {
        // One that has ended already is no fault.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn program_that_has_ended_still_tells_its_time() {
        let folder = tempfile::tempdir().unwrap();
        let script = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; echo done";
        let (usage, text) =
            run(Command::new("sh").args(["-c", script]), &folder.path().join("output")).unwrap();
        assert_eq!(text, "done\n");
        assert!(usage.cpu_seconds > 0.0 && usage.wall_seconds > 0.0, "{usage:?}");
        assert!(run(Command::new("sh").args(["-c", "exit 3"]), &folder.path().join("output")).is_err());
    }
}
