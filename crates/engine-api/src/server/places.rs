//! Places, so many of them. Where all are taken, the holder that has kept us waiting for the longest makes room for whoever comes.
//!
//! A holder says whose turn it is: ours while we work, or its caller's while we wait for bytes from there, or for ours to be taken. Only a
//! caller whose turn it is has to go. It closes nothing itself: whoever holds the place is told, and lets go of it.

use std::{
    collections::BTreeMap,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Notify, OwnedSemaphorePermit, Semaphore},
    time::{Instant, sleep_until},
};

/// The time of a caller begins anew with so many bytes that it sends or takes.
const PACE_BYTES: usize = 256 * 1024;

/// The places.
pub(super) struct Places {
    free: Arc<Semaphore>,
    /// Whoever is the first of those who wait.
    line: tokio::sync::Mutex<()>,
    /// How long a caller may keep us waiting although somebody wants its place.
    patience: Duration,
    holders: Mutex<Holders>,
    /// It has become a caller's turn.
    turned: Notify,
}

#[derive(Default)]
struct Holders {
    last: u64,
    all: BTreeMap<u64, Holder>,
}

struct Holder {
    /// Since when its caller is waited for; nothing while it is our turn, and once it was told to leave.
    waits_since: Option<Instant>,
    moved_bytes: usize,
    leave: Arc<Notify>,
}

/// A place, given back when it is dropped.
pub(super) struct Place {
    places: Arc<Places>,
    id: u64,
    _permit: OwnedSemaphorePermit,
}

impl Places {
    pub(super) fn new(count: usize, patience: Duration) -> Arc<Self> {
        let free = Arc::new(Semaphore::new(count));
        Arc::new(Self {
            free,
            line: Default::default(),
            patience,
            holders: Mutex::default(),
            turned: Notify::new(),
        })
    }

    /// The next free place; at first it is our turn. `leave` tells the holder that it has to go.
    pub(super) async fn take(self: &Arc<Self>, leave: &Arc<Notify>) -> Place {
        let mut permit = pin!(self.free.clone().acquire_owned());
        // One after the other: whoever goes makes room for the one who has asked.
        let _first_in_line = self.line.lock().await;
        // What is free comes before anybody has to go.
        let permit = tokio::select! {
            biased;
            permit = &mut permit => permit,
            () = self.make_room() => permit.await,
        };
        let permit = permit.expect("nobody closes this semaphore");
        let mut holders = self.holders();
        holders.last += 1;
        let id = holders.last;
        let holder = Holder { waits_since: None, moved_bytes: 0, leave: Arc::clone(leave) };
        holders.all.insert(id, holder);
        drop(holders);
        Place { places: Arc::clone(self), id, _permit: permit }
    }

    /// Comes back when somebody was told to leave.
    async fn make_room(&self) {
        loop {
            let mut turned = pin!(self.turned.notified());
            let Some((id, since)) = self.slowest() else {
                turned.await;
                continue;
            };
            let due = since + self.patience;
            if Instant::now() < due {
                // Whichever it is, it is looked at once more.
                tokio::select! {
                    () = &mut turned => {}
                    () = sleep_until(due) => {}
                }
            } else if self.ask_to_leave(id, since) {
                return;
            }
        }
    }

    /// Whose caller is waited for the longest, and since when.
    fn slowest(&self) -> Option<(u64, Instant)> {
        let holders = self.holders();
        let waiting = holders.all.iter().filter_map(|(id, holder)| Some((*id, holder.waits_since?)));
        waiting.min_by_key(|(_, since)| *since)
    }

    /// Whether this one was told to leave; not if it has moved meanwhile.
    fn ask_to_leave(&self, id: u64, since: Instant) -> bool {
        let mut holders = self.holders();
        let holder = holders.all.get_mut(&id).filter(|holder| holder.waits_since == Some(since));
        let Some(holder) = holder else { return false };
        holder.waits_since = None;
        holder.leave.notify_one();
        true
    }

    /// A poisoned lock guards a map that is whole at each step.
    fn holders(&self) -> MutexGuard<'_, Holders> {
        self.holders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// It is our turn from now on.
    pub(super) fn set_ours(&self) {
        self.change(|holder| holder.waits_since = None);
    }

    /// It is the caller's turn from now on.
    pub(super) fn set_theirs(&self) {
        self.change(|holder| (holder.waits_since, holder.moved_bytes) = (Some(Instant::now()), 0));
        self.places.turned.notify_waiters();
    }

    /// The caller has sent or taken so many bytes.
    pub(super) fn moved(&self, bytes: usize) {
        self.change(|holder| {
            holder.moved_bytes += bytes;
            if holder.moved_bytes >= PACE_BYTES && holder.waits_since.is_some() {
                (holder.waits_since, holder.moved_bytes) = (Some(Instant::now()), 0);
            }
        });
    }

    fn change(&self, change: impl FnOnce(&mut Holder)) {
        if let Some(holder) = self.places.holders().all.get_mut(&self.id) {
            change(holder);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.holders().all.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use futures::{FutureExt, poll};

    use super::*;

    async fn waiting(places: &Arc<Places>, leave: &Arc<Notify>) -> Place {
        let place = places.take(leave).await;
        place.set_theirs();
        place
    }

    fn is_told(leave: &Notify) -> bool {
        leave.notified().now_or_never().is_some()
    }

    #[tokio::test]
    async fn whoever_is_waited_for_the_longest_makes_room() {
        let places = Places::new(3, Duration::ZERO);
        let leave = [(); 4].map(|()| Arc::new(Notify::new()));
        let first = places.take(&leave[0]).await;
        let second = waiting(&places, &leave[1]).await;
        let third = waiting(&places, &leave[2]).await;
        let mut fourth = pin!(places.take(&leave[3]));
        assert!(poll!(&mut fourth).is_pending());
        assert_eq!([0, 1, 2].map(|index| is_told(&leave[index])), [false, true, false]);
        assert!(poll!(&mut fourth).is_pending(), "one has to go for one who comes");
        assert!(!is_told(&leave[2]));
        drop(second);
        assert!(poll!(&mut fourth).is_ready());
        drop((first, third));
    }

    #[tokio::test]
    async fn nobody_goes_while_it_is_our_turn_or_there_is_room() {
        let places = Places::new(1, Duration::ZERO);
        let leave = [(); 2].map(|()| Arc::new(Notify::new()));
        let first = places.take(&leave[0]).await;
        let mut second = Box::pin(places.take(&leave[1]));
        assert!(poll!(&mut second).is_pending());
        assert!(!is_told(&leave[0]));
        first.set_theirs();
        assert!(poll!(&mut second).is_pending());
        assert!(is_told(&leave[0]));
        drop((first, second));
        let _alone = places.take(&leave[0]).await;
        assert!(!is_told(&leave[0]));
    }

    #[tokio::test]
    async fn a_caller_that_moves_is_waited_for() {
        let places = Places::new(2, Duration::ZERO);
        let leave = [(); 3].map(|()| Arc::new(Notify::new()));
        let quick = waiting(&places, &leave[0]).await;
        let slow = waiting(&places, &leave[1]).await;
        quick.moved(PACE_BYTES);
        slow.moved(PACE_BYTES - 1);
        let mut third = pin!(places.take(&leave[2]));
        assert!(poll!(&mut third).is_pending());
        assert_eq!([0, 1].map(|index| is_told(&leave[index])), [false, true]);
        drop((quick, slow));
        // Before its time is over nobody goes.
        let places = Places::new(1, Duration::from_secs(3600));
        let _patient = waiting(&places, &leave[0]).await;
        let mut second = pin!(places.take(&leave[1]));
        assert!(poll!(&mut second).is_pending());
        assert!(!is_told(&leave[0]));
    }
}
