//! Notices of commits to a host that answers each: what is durable now, in order, until the host says that it has dealt with it.
//!
//! ```text
//!   a commit completes something ──> each listener's queue ──> the host ──> ack
//!   the queue is full, or the oldest notice is older than is allowed: the listener is dropped, with a word in the log
//! ```
//!
//! Nothing here waits for a listener: a sync goes on at its own pace, whoever sleeps. Time is passed in. Figures and events are not told here:
//! those are latest-only or may be lost, and nobody answers them.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use snapsync_sync::{Event, Head, HeaderReach, Phase, Progress, Target};
use tokio::sync::mpsc;

/// Notices that one listener may leave unread or unanswered: a host that lives answers each within moments.
const NOTICES: usize = 64;

/// What a commit has completed. All of it is on the disk, and outlives a kill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Milestone {
    /// The block whose state is fetched is this one: the first, or another after the pivot moved.
    Pivot(Target),
    /// The headers of this head are held down to the chain: it is the top now.
    Head(Head),
    /// The derived state root is the header's.
    StateVerified(Target),
    /// All that was asked for is durable and verified.
    Complete(Target),
}

/// One notice. Dropped without an answer it counts as unanswered.
#[derive(Debug)]
pub struct Notification {
    /// What is durable.
    pub milestone: Milestone,
    number: u64,
    answered: Arc<AtomicU64>,
}

impl Notification {
    /// Says that this notice, and those before it, have been dealt with.
    pub fn ack(self) {
        self.answered.fetch_max(self.number, Ordering::Release);
    }
}

/// The host's end of a subscription.
#[derive(Debug)]
pub struct Notifications {
    queue: mpsc::Receiver<Notification>,
}

impl Notifications {
    /// The next notice; `None` once the sync has ended, or this listener was dropped for not answering.
    pub async fn next(&mut self) -> Option<Notification> {
        self.queue.recv().await
    }

    /// The same for hosts without a runtime: waits in place.
    pub fn next_blocking(&mut self) -> Option<Notification> {
        self.queue.blocking_recv()
    }
}

/// The sync's end of a subscription.
#[derive(Debug)]
pub(crate) struct Listener {
    queue: mpsc::Sender<Notification>,
    answered: Arc<AtomicU64>,
    /// When each notice went out that is not known to be answered, oldest first; numbers rise by one.
    open: VecDeque<(u64, Duration)>,
    told: u64,
}

/// Why a listener is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dropped {
    /// It went away by itself.
    Gone,
    /// It let its queue run full.
    Full,
    /// It has not answered for too long.
    Silent,
}

/// Both ends of a subscription.
pub(crate) fn subscription() -> (Listener, Notifications) {
    let (sender, receiver) = mpsc::channel(NOTICES);
    let listener = Listener { queue: sender, answered: Arc::default(), open: VecDeque::new(), told: 0 };
    (listener, Notifications { queue: receiver })
}

impl Listener {
    fn tell(&mut self, now: Duration, milestone: Milestone) -> Result<(), Dropped> {
        let notice = Notification { milestone, number: self.told + 1, answered: Arc::clone(&self.answered) };
        self.queue.try_send(notice).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => Dropped::Full,
            mpsc::error::TrySendError::Closed(_) => Dropped::Gone,
        })?;
        self.told += 1;
        self.open.push_back((self.told, now));
        Ok(())
    }

    fn look(&mut self, now: Duration, limit: Duration) -> Result<(), Dropped> {
        let answered = self.answered.load(Ordering::Acquire);
        while self.open.front().is_some_and(|(number, _)| *number <= answered) {
            self.open.pop_front();
        }
        match self.open.front() {
            Some((_, at)) if *at + limit <= now => Err(Dropped::Silent),
            // One that reads and never answers must not make the list grow.
            _ if self.open.len() > NOTICES => Err(Dropped::Full),
            _ if self.queue.is_closed() => Err(Dropped::Gone),
            _ => Ok(()),
        }
    }
}

/// All who listen, and what they were told last.
#[derive(Debug)]
pub(crate) struct Listeners {
    limit: Duration,
    listeners: Vec<Listener>,
    /// Records on their way to the disk, in their order.
    records: VecDeque<Progress>,
    /// The last one that is durable.
    recorded: Option<Progress>,
}

impl Listeners {
    /// Nobody listens yet; whoever does has so long to answer, and does not hear of what was on record before.
    pub(crate) fn new(limit: Duration, recorded: Option<Progress>) -> Self {
        Self { limit, listeners: Vec::new(), records: VecDeque::new(), recorded }
    }

    /// Somebody listens from now on.
    pub(crate) fn add(&mut self, listener: Listener) {
        self.listeners.push(listener);
    }

    /// A record goes to the writer.
    pub(crate) fn recording(&mut self, progress: &Progress) {
        self.records.push_back(progress.clone());
    }

    /// A commit is durable, and means this.
    pub(crate) fn on_durable(&mut self, now: Duration, event: &Event) {
        match event {
            Event::Recorded { .. } => self.on_recorded(now),
            Event::HeadersDurable { reach: HeaderReach::Joined(join), .. } => {
                self.tell(now, Milestone::Head(join.top));
            }
            _ => {}
        }
    }

    /// Records become durable in their order: what the next one says that the last one did not.
    fn on_recorded(&mut self, now: Duration) {
        let Some(progress) = self.records.pop_front() else { return };
        let before = self.recorded.replace(progress.clone());
        let Some(pin) = progress.pin else { return };
        let is_news = |is: fn(&Progress) -> bool| is(&progress) && !before.as_ref().is_some_and(is);
        let is_moved = before.as_ref().is_none_or(|before| before.pin.map(|pin| pin.id) != Some(pin.id));
        let news = [
            (is_moved, Milestone::Pivot(pin.target)),
            (is_news(|progress| progress.rebuilt.is_some()), Milestone::StateVerified(pin.target)),
            (is_news(|progress| progress.phase == Phase::Complete), Milestone::Complete(pin.target)),
        ];
        news.into_iter().filter(|(is_new, _)| *is_new).for_each(|(_, milestone)| self.tell(now, milestone));
    }

    fn tell(&mut self, now: Duration, milestone: Milestone) {
        self.keep(|listener, _| listener.tell(now, milestone));
    }

    /// Drops whoever has not answered for too long.
    pub(crate) fn look(&mut self, now: Duration) {
        self.keep(|listener, limit| listener.look(now, limit));
    }

    fn keep(&mut self, mut each: impl FnMut(&mut Listener, Duration) -> Result<(), Dropped>) {
        let limit = self.limit;
        self.listeners.retain_mut(|listener| match each(listener, limit) {
            Ok(()) => true,
            Err(Dropped::Gone) => false,
            Err(why) => {
                let open = listener.open.len();
                tracing::warn!(
                    ?why,
                    open,
                    "a listener of notifications was dropped: it does not acknowledge"
                );
                false
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::B256;
    use snapsync_sync::{HeaderSegment, JobId, Join, Pin, TargetId, Ticket};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn target(number: u64) -> Target {
        let hash = B256::with_last_byte(number as u8);
        Target { number, hash, root: hash }
    }

    fn progress(number: u64, phase: Phase, is_rebuilt: bool) -> Progress {
        let target = target(number);
        let rebuilt = is_rebuilt.then_some(target.root);
        Progress { pin: Some(Pin { id: TargetId(number as u32), target }), phase, rebuilt, blocks: None }
    }

    fn joined(number: u64) -> Event {
        let top = Head { number, hash: target(number).hash };
        let segment =
            HeaderSegment { top: number, hash: top.hash, root: top.hash, lowest: number, parent: B256::ZERO };
        let join = Join { fork: number - 1, top, bodies: vec![], receipts: vec![] };
        let (job, ticket) = (JobId(1), Ticket(1));
        Event::HeadersDurable { job, ticket, segment, reach: HeaderReach::Joined(Box::new(join)) }
    }

    /// The records of a sync whose pivot moves once, with a head between.
    fn run(listeners: &mut Listeners, now: Duration) {
        for record in [
            progress(1, Phase::Headers, false),
            progress(1, Phase::Download, false),
            progress(2, Phase::Download, false),
            progress(2, Phase::Rebuild, false),
            progress(2, Phase::Rebuild, true),
            progress(2, Phase::Complete, true),
        ] {
            // What is on its way is durable for nobody yet.
            listeners.recording(&record);
            if record.phase == Phase::Rebuild && record.rebuilt.is_none() {
                listeners.on_durable(now, &joined(9));
            }
            listeners.on_durable(now, &Event::Recorded { pin: None });
        }
    }

    fn all() -> [Milestone; 5] {
        [
            Milestone::Pivot(target(1)),
            Milestone::Pivot(target(2)),
            Milestone::Head(Head { number: 9, hash: target(9).hash }),
            Milestone::StateVerified(target(2)),
            Milestone::Complete(target(2)),
        ]
    }

    fn read(notifications: &mut Notifications) -> Vec<Notification> {
        std::iter::from_fn(|| notifications.queue.try_recv().ok()).collect()
    }

    // ROW: F50
    #[test]
    fn a_listener_that_never_answers_is_dropped_and_the_others_hear_all_in_order() {
        let mut listeners = Listeners::new(10 * SECOND, None);
        let (good, mut heard) = subscription();
        let (silent, mut unanswered) = subscription();
        let (asleep, mut unread) = subscription();
        [good, silent, asleep].into_iter().for_each(|listener| listeners.add(listener));
        run(&mut listeners, SECOND);
        let milestones: Vec<Milestone> = read(&mut heard)
            .into_iter()
            .map(|notice| {
                let milestone = notice.milestone;
                notice.ack();
                milestone
            })
            .collect();
        assert_eq!(milestones, all());
        assert_eq!(read(&mut unanswered).len(), 5, "it reads, and says nothing");
        listeners.look(10 * SECOND);
        assert_eq!(listeners.listeners.len(), 3, "they have time");
        listeners.look(11 * SECOND);
        assert_eq!(listeners.listeners.len(), 1, "who answers stays");
        assert!(unanswered.queue.try_recv().is_err() && unanswered.queue.is_closed());
        assert_eq!(read(&mut unread).len(), 5, "what was told before is there still");
        assert!(unread.queue.is_closed());
        listeners.look(3_600 * SECOND);
        assert_eq!(listeners.listeners.len(), 1, "nothing is owed");
    }

    #[test]
    fn however_much_is_told_to_one_who_does_not_read_nothing_waits_and_little_is_kept() {
        let mut listeners = Listeners::new(10 * SECOND, None);
        let (listener, mut notifications) = subscription();
        listeners.add(listener);
        for number in 1..10_000 {
            listeners.on_durable(SECOND, &joined(number));
        }
        assert_eq!((listeners.listeners.len(), read(&mut notifications).len()), (0, NOTICES));
    }

    #[test]
    fn who_answers_the_last_has_answered_all_and_who_leaves_is_forgotten() {
        let mut listeners = Listeners::new(10 * SECOND, None);
        let (listener, mut notifications) = subscription();
        listeners.add(listener);
        run(&mut listeners, SECOND);
        read(&mut notifications).pop().expect("five").ack();
        listeners.look(60 * SECOND);
        assert_eq!(listeners.listeners.len(), 1);
        drop(notifications);
        listeners.look(60 * SECOND);
        assert!(listeners.listeners.is_empty());
    }
}
