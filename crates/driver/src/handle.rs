//! The handle that a host embeds: start, name a head, watch, stop.
//!
//! A whole host program:
//!
//! ```no_run
#![doc = include_str!("../examples/host.rs")]
//! ```

use std::{
    sync::{Mutex, PoisonError},
    thread::JoinHandle,
};

use crossbeam_channel::Sender;
use futures::Stream;
use snapsync_execute::{Follower, Forkchoice};
use snapsync_p2p::Enode;
use tokio::sync::{broadcast, watch};

use crate::{
    Config, Error, Event, Notifications, Progress, Remote, bridge,
    inbox::Command,
    naming::{Naming, check_hash},
    notifications,
};

/// A running sync. Dropping it stops it as [`SnapSync::shutdown`] does, without waiting.
#[derive(Debug)]
pub struct SnapSync {
    commands: Option<Sender<Command>>,
    remote: Remote,
    /// Has heard all since the start; the first who asks gets it.
    first_events: Mutex<Option<broadcast::Receiver<Event>>>,
    /// Is never read: others begin where it is asked for.
    events: broadcast::Receiver<Event>,
    progress: watch::Receiver<Progress>,
    listens_at: Option<Enode>,
    planner: Option<JoinHandle<Result<(), Error>>>,
}

impl SnapSync {
    /// Opens the data directory, starts the network, and waits for a head to be named.
    ///
    /// Threads and the network's runtime are its own: the host may be of any kind. A mending of the directory that was begun and killed is
    /// brought to its end first, which takes as long as reading all rows.
    /// Errors: the directory is locked, of another chain, or unreadable; the listening address is taken.
    pub fn start(config: Config) -> Result<Self, Error> {
        Self::started(config, None)
    }

    /// The same, and goes on where [`SnapSync::start`] stands still: once the state is verified, the follower takes the blocks above it, up to
    /// the head and then one by one ([`Event::BlockTaken`]). What the chain leaves is taken back, 128 blocks deep; where that is not enough, or
    /// the head is more than [`Config::follow_blocks_max`] blocks away, the pivot moves and what differs is brought to it, as before.
    ///
    /// # Errors
    /// Those of [`SnapSync::start`]; [`Error::NoBodies`] if no bodies are to be kept.
    pub fn start_following(config: Config, follower: Follower) -> Result<Self, Error> {
        Self::started(config, Some(follower))
    }

    fn started(config: Config, follower: Option<Follower>) -> Result<Self, Error> {
        bridge::start(config, follower).map(|started| Self {
            commands: Some(started.commands),
            remote: started.remote,
            events: started.events.resubscribe(),
            first_events: Mutex::new(Some(started.events)),
            progress: started.progress,
            listens_at: started.listens_at,
            planner: Some(started.planner),
        })
    }

    /// Names the head. The first call in a new directory starts the sync and makes the head its target; the same head again changes
    /// nothing. A later one, named while the sync runs, or after it, or after a restart, costs its own headers only; its bodies and
    /// receipts follow, and where it lies beside the chain that is held, the chain is switched ([`Event::Head`]). The state goes on with a
    /// later block ([`Event::PivotMoved`]) when the head is more than 120 past its target, when nobody has that state any more, or when the
    /// chain has left it; not once a state was verified, unless blocks are followed ([`SnapSync::start_following`]).
    ///
    /// Once the finalized block is canonical and a state was verified that is not below it, what is held of blocks beside the chain goes, up to
    /// its number ([`Event::Finalized`]). One that is not canonical takes nothing away ([`Event::FinalRejected`]). The safe block is not looked at.
    ///
    /// # Errors
    /// [`Error::NoBlock`] for a zero hash, which changes nothing: the host may name a head later.
    pub fn forkchoice_updated(&self, state: Forkchoice) -> Result<(), Error> {
        if let Err(error) = check_hash(state.head) {
            self.command(Command::NoBlock(state.head))?;
            return Err(error);
        }
        self.command(Command::Head(state.head))?;
        if check_hash(state.finalized).is_err() {
            // There is none yet.
            return Ok(());
        }
        self.command(Command::Final(state.finalized))
    }

    /// The same sync, for servers beside the host: what a consensus client gives and names, figures, peers, the disk.
    pub const fn remote(&self) -> &Remote {
        &self.remote
    }

    /// Names a standing target, also in another way than by hash: the peers' word is trusted then for which block that is. A directory that
    /// holds an unfinished sync to another target refuses, and nothing is wiped.
    pub fn sync_to(&self, naming: Naming) -> Result<(), Error> {
        if let Naming::Hash(hash) = naming {
            check_hash(hash)?;
        }
        self.command(Command::Target(naming))
    }

    fn command(&self, command: Command) -> Result<(), Error> {
        let commands = self.commands.as_ref().ok_or(Error::ShutDown)?;
        commands.send(command).map_err(|_| Error::ShutDown)
    }

    /// What happens, in order: the first call gives all events since the start, later ones those from now on. 4,096 are kept for each
    /// listener; one that lags further loses the oldest, and hears how many ([`Event::Missed`]). Of figures ([`Event::Progress`]) only the newest
    /// are given, five times a second at most, and never before an event that waits. The stream ends when the sync has ended.
    pub fn events(&self) -> impl Stream<Item = Event> + Send + Unpin + use<> {
        // A directory may be complete, and say so, before anybody has asked.
        let first = self.first_events.lock().unwrap_or_else(PoisonError::into_inner).take();
        let receiver = first.unwrap_or_else(|| self.events.resubscribe());
        let listener = (receiver, self.progress.clone());
        Box::pin(futures::stream::unfold(listener, |(mut events, mut progress)| async move {
            next_event(&mut events, &mut progress).await.map(|event| (event, (events, progress)))
        }))
    }

    /// Notices of what commits complete from now on, in order, each to be acknowledged ([`crate::Notification::ack`]). Whoever leaves one
    /// unacknowledged for too long ([`Config::ack_timeout_ms`]), or lets the queue run full, is dropped; the sync waits for nobody.
    ///
    /// # Errors
    /// [`Error::ShutDown`] if the sync has ended.
    pub fn notifications(&self) -> Result<Notifications, Error> {
        let (listener, notifications) = notifications::subscription();
        self.command(Command::Listen(listener))?;
        Ok(notifications)
    }

    /// The newest figures.
    pub fn progress(&self) -> Progress {
        self.progress.borrow().clone()
    }

    /// By what others reach us; `None` if we do not listen. The identity is a new one in each run, and the port is the one that the
    /// system chose if none was asked for.
    pub const fn listens_at(&self) -> Option<Enode> {
        self.listens_at
    }

    /// Whether the sync has ended, by itself or by an error.
    pub fn has_ended(&self) -> bool {
        self.planner.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Stops asking, writes down what has arrived, closes everything; `Ok` if nothing went wrong until then.
    pub async fn shutdown(mut self) -> Result<(), Error> {
        let (done, wait) = tokio::sync::oneshot::channel();
        let planner = self.stop();
        std::thread::Builder::new()
            .name("snapsync-stop".into())
            .spawn(move || done.send(planner.map_or(Ok(()), join)))
            .map_err(Error::Thread)?;
        wait.await.unwrap_or(Err(Error::ShutDown))
    }

    /// [`SnapSync::shutdown`] for hosts without a runtime: waits in place.
    pub fn shutdown_blocking(mut self) -> Result<(), Error> {
        self.stop().map_or(Ok(()), join)
    }

    fn stop(&mut self) -> Option<JoinHandle<Result<(), Error>>> {
        self.commands = None;
        self.planner.take()
    }
}

/// The next thing that a listener hears.
async fn next_event(
    events: &mut broadcast::Receiver<Event>,
    progress: &mut watch::Receiver<Progress>,
) -> Option<Event> {
    tokio::select! {
        // Events first: figures are overwritten while they wait.
        biased;
        heard = events.recv() => told(heard),
        changed = progress.changed() => match changed {
            Ok(()) => Some(Event::Progress(Box::new(progress.borrow_and_update().clone()))),
            // The sync is over, and what it said last may still wait.
            Err(_) => told(events.recv().await),
        },
    }
}

fn told(heard: Result<Event, broadcast::error::RecvError>) -> Option<Event> {
    match heard {
        Ok(event) => Some(event),
        Err(broadcast::error::RecvError::Lagged(events)) => Some(Event::Missed { events }),
        Err(broadcast::error::RecvError::Closed) => None,
    }
}

/// A panic of the planner is a mistake of ours: it goes on in whoever waits.
fn join(planner: JoinHandle<Result<(), Error>>) -> Result<(), Error> {
    planner.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

#[cfg(test)]
mod tests {
    use alloy_primitives::B256;

    use super::*;

    // ROW: F51
    #[test]
    fn a_listener_that_lags_hears_how_many_events_it_lost_and_the_newest_figures_alone() {
        use futures::FutureExt;
        let (tell, mut events) = broadcast::channel(4);
        let (show, mut figures) = watch::channel(Progress::default());
        let mut next = || next_event(&mut events, &mut figures).now_or_never();
        for head in 0..7 {
            tell.send(Event::HeadAccepted { hash: B256::with_last_byte(head), by: crate::HeadSource::Host })
                .expect("somebody listens");
            show.send_replace(Progress { answers: u64::from(head), ..Progress::default() });
        }
        assert_eq!(next(), Some(Some(Event::Missed { events: 3 })));
        for head in 3..7 {
            let Some(Some(Event::HeadAccepted { hash, .. })) = next() else { panic!("events come first") };
            assert_eq!(hash, B256::with_last_byte(head));
        }
        assert!(matches!(next(), Some(Some(Event::Progress(figures))) if figures.answers == 6));
        assert_eq!(next(), None, "there is nothing else");
        drop(show);
        tell.send(Event::Phase(crate::Phase::Headers)).expect("somebody listens");
        assert_eq!(next(), Some(Some(Event::Phase(crate::Phase::Headers))));
        drop(tell);
        assert_eq!(next(), Some(None));
    }

    #[test]
    fn head_that_is_not_known_yet_is_an_error_of_its_own_and_the_sync_goes_on() {
        let dir = tempfile::tempdir().expect("a directory");
        let genesis_hash = B256::repeat_byte(7);
        let chain = crate::Chain {
            chain_id: 7,
            network_id: 7,
            genesis_hash,
            genesis_time: 0,
            fork_blocks: Vec::new(),
            fork_times: Vec::new(),
        };
        let config = Config::standing(chain, dir.path().to_owned(), Vec::new());
        let checkpoint = crate::Checkpoint { number: 1, hash: B256::ZERO };
        let refused = SnapSync::start(Config { checkpoint: Some(checkpoint), ..config.clone() });
        assert!(matches!(refused, Err(Error::NoBlock { .. })), "{refused:?}");
        let sync = SnapSync::start(config).expect("started");
        let unknown = sync.forkchoice_updated(Forkchoice::head(B256::ZERO));
        assert!(matches!(unknown, Err(Error::NoBlock { .. })), "{unknown:?}");
        assert!(!sync.has_ended());
        sync.shutdown_blocking().expect("nothing went wrong");
    }
}
