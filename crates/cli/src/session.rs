//! One run of the engine to a standing target: started, watched, stopped; the same for `sync`, `demo` and `bench`.
//!
//! It shows what happens and turns errors into exit codes. It never retries: a rerun resumes.

use std::{collections::BTreeMap, time::Duration};

use futures::StreamExt;
use snapsync_driver::{Config, Error, Event, Naming, PeerFault, Progress, SnapSync, Target};

use crate::{
    exit::{Exit, Failure},
    measure::Costs,
    render::Screen,
};

/// What a run came to.
#[derive(Debug)]
pub(crate) struct Session {
    /// The verified target.
    pub(crate) target: Target,
    /// The last figures.
    pub(crate) progress: Progress,
    /// Every lie that was detected: the peer and what it did.
    pub(crate) faults: Vec<(String, PeerFault)>,
    /// What the run cost this process, from its start.
    pub(crate) costs: Costs,
    /// The most anonymous memory seen, bytes.
    pub(crate) anonymous_peak_bytes: u64,
}

/// How often figures are shown and memory is sampled.
const TICK: Duration = Duration::from_millis(250);

/// Attempts in a row after which a peer that was never met counts as out of reach: some seconds, with the pauses between.
const ATTEMPTS_MAX: u32 = 3;

/// How the watching of a run ended.
enum Ended {
    /// With a verified target.
    Complete(Target),
    /// By a signal.
    Interrupted,
    /// None of the peers was ever met, and nobody else can come.
    OutOfReach(String),
    /// By an error, which the handle tells when it is shut down.
    Failed,
}

/// Peers that were never met. Once one was, its return is waited for; without any, a run to a standing target would wait for
/// ever on what is most often a wrong address or a wrong genesis file.
struct Unmet {
    /// How many there are; `None` when somebody may still come to us.
    peers: Option<usize>,
    /// Those that were tried in vain, and why.
    tried: BTreeMap<String, String>,
}

impl Unmet {
    fn of(config: &Config) -> Self {
        let peers = config.listen.is_none().then_some(config.peers.len());
        Self { peers, tried: BTreeMap::new() }
    }

    /// Looks at an event; the reason once no hope is left.
    fn see(&mut self, event: &Event) -> Option<String> {
        match event {
            Event::PeerUp { .. } => self.peers = None,
            Event::DialFailed { peer, reason, attempts } if *attempts >= ATTEMPTS_MAX => {
                self.tried.insert(peer.clone(), reason.clone());
            }
            _ => return None,
        }
        let (peer, reason) = self.tried.first_key_value()?;
        let others = match self.tried.len() - 1 {
            0 => String::new(),
            others => format!(" (and {others} more)"),
        };
        (self.peers == Some(self.tried.len()))
            .then(|| format!("no peer can be reached: {peer}: {reason}{others}"))
    }
}

/// Runs until the target is complete, an error ends it, or a signal stops it.
pub(crate) async fn run(config: Config, naming: Naming, mut screen: Screen) -> Result<Session, Failure> {
    // First of all: a signal between the start and the listening would end the process without a flush.
    let mut signals = Signals::listen()?;
    let mut unmet = Unmet::of(&config);
    let sync = SnapSync::start(config).map_err(failure)?;
    let mut events = sync.events();
    sync.sync_to(naming).map_err(failure)?;
    let mut tick = tokio::time::interval(TICK);
    let mut faults = Vec::new();
    let mut anonymous_peak_bytes = 0;
    let ended = loop {
        tokio::select! {
            // Signals first: whoever asks to stop is heard under any load. Events before figures: they end the run.
            biased;
            () = signals.next() => break Ended::Interrupted,
            event = events.next() => {
                let Some(event) = event else { break Ended::Failed };
                screen.event(&event);
                if let Some(reason) = unmet.see(&event) {
                    break Ended::OutOfReach(reason);
                }
                match event {
                    Event::Complete(target) => break Ended::Complete(target),
                    Event::PeerFault { peer, fault } => faults.push((peer, fault)),
                    _ => {}
                }
            }
            _ = tick.tick() => {
                anonymous_peak_bytes = anonymous_peak_bytes.max(Costs::now().anonymous_bytes);
                screen.progress(&sync.progress());
            }
        }
    };
    tokio::spawn(async move {
        // A second signal does not wait for anything.
        signals.next().await;
        std::process::exit(Exit::Interrupted as i32);
    });
    let progress = sync.progress();
    screen.close();
    sync.shutdown().await.map_err(failure)?;
    match ended {
        Ended::Complete(target) => {
            Ok(Session { target, progress, faults, costs: Costs::now(), anonymous_peak_bytes })
        }
        Ended::Interrupted => Err(Failure::new(
            Exit::Interrupted,
            "stopped; what was committed is kept, the same command resumes",
        )),
        Ended::OutOfReach(reason) => Err(Failure::new(Exit::Target, reason)),
        Ended::Failed => Err(Failure::new(Exit::Failure, "the sync ended without a result")),
    }
}

/// SIGINT and SIGTERM.
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

impl Signals {
    fn listen() -> Result<Self, Failure> {
        use tokio::signal::unix::{SignalKind, signal};
        let listen = |kind| {
            signal(kind)
                .map_err(|error| Failure::new(Exit::Failure, format!("cannot catch signals: {error}")))
        };
        Ok(Self { interrupt: listen(SignalKind::interrupt())?, terminate: listen(SignalKind::terminate())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            // The order does not matter: both mean stop.
            biased;
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// The exit code of an error, with what to do about it.
pub(crate) fn failure(error: Error) -> Failure {
    use snapsync_driver::Fatal;
    let exit = match &error {
        Error::Fatal(Fatal::OtherTarget { .. }) => Exit::DataDirectory,
        Error::Fatal(Fatal::TargetUnavailable { .. }) => Exit::Target,
        Error::Fatal(_) => Exit::Verification,
        Error::Storage(error) => return storage_failure(error),
        Error::PeersDisagree { .. } | Error::NoSuchBlock { .. } | Error::NoPeers { .. } => Exit::Target,
        Error::Enode(_) => Exit::Usage,
        Error::Network(_) | Error::Trace { .. } | Error::Thread(_) | Error::ShutDown => Exit::Failure,
    };
    Failure::new(exit, error)
}

/// The exit code of a disk's error.
pub(crate) fn storage_failure(error: &snapsync_storage::Error) -> Failure {
    use snapsync_storage::Error as Disk;
    let exit = match error {
        Disk::Locked { .. } | Disk::OtherChain { .. } | Disk::Version { .. } | Disk::Absent { .. } => {
            Exit::DataDirectory
        }
        _ => Exit::Disk,
    };
    Failure::new(exit, error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(peer: &str, attempts: u32) -> Event {
        Event::DialFailed { peer: peer.into(), reason: "nobody there".into(), attempts }
    }

    fn met() -> Event {
        Event::PeerUp { peer: "a".into(), client: "client".into() }
    }

    #[test]
    fn peers_are_out_of_reach_when_each_was_tried_often() {
        let mut unmet = Unmet { peers: Some(2), tried: BTreeMap::new() };
        assert_eq!(unmet.see(&failed("a", ATTEMPTS_MAX)), None);
        assert_eq!(unmet.see(&failed("b", ATTEMPTS_MAX - 1)), None);
        let reason = unmet.see(&failed("b", ATTEMPTS_MAX)).unwrap();
        assert_eq!(reason, "no peer can be reached: a: nobody there (and 1 more)");
    }

    #[test]
    fn peer_that_was_met_is_waited_for() {
        let mut unmet = Unmet { peers: Some(1), tried: BTreeMap::new() };
        assert_eq!(unmet.see(&met()), None);
        assert_eq!(unmet.see(&failed("a", 100)), None);
    }
}
