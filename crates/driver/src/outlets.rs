//! What the host hears: events through a broadcast, figures through a latest-only slot.
//!
//! Nothing here waits for a listener: one that lags loses the oldest events, and sees the newest figures. What becomes durable is told once
//! a second, and before whatever step follows from it.

use std::time::{Duration, Instant};

use snapsync_storage::StorageSample;
use snapsync_stream::{Desk, Stall};
use snapsync_sync::{Phase, Tally};
use snapsync_wire::SnapVersion;
use tokio::sync::{broadcast, watch};

use crate::{Event, Hashed, Leaves, Progress, Reconciled, applied::Applying, events::Reconciler};

/// Rows that became durable are told this often at most.
const APPLIED_EVERY: Duration = Duration::from_secs(1);

/// What was held before this run.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct HeldBefore {
    /// Accounts and slots.
    pub(crate) leaves: u64,
    /// Some storages that came whole.
    pub(crate) sample: StorageSample,
}

/// What this run counted.
#[derive(Debug)]
pub(crate) struct Figures {
    pub(crate) answers: u64,
    pub(crate) answer_bytes: u64,
    pub(crate) hashed: Hashed,
    pub(crate) wakes: u64,
    pub(crate) fresh_cycles: u64,
    pub(crate) durable: Leaves,
    pub(crate) reconciled: Reconciled,
    pub(crate) durable_at: Instant,
    /// Blocks that were taken above a verified state.
    pub(crate) blocks_taken: u64,
    /// Rows that became durable and were not told of yet.
    pub(crate) applying: Applying,
    /// Accounts and slots that were held before this run.
    leaves_before: u64,
    /// Storages that came whole in one answer, and their slots; at first some of those that were held before.
    pub(crate) whole_storages: u64,
    pub(crate) whole_slots: u64,
}

impl Figures {
    /// The share of the state's leaves that is durable. The accounts that are missing have as many leaves each as those that are
    /// held, and a storage of which nothing came as many slots as one that came whole.
    pub(crate) fn share(&self, tally: &Tally) -> f64 {
        let held = (self.leaves_before + self.durable.accounts + self.durable.slots) as f64;
        let mean = self.whole_slots as f64 / self.whole_storages.max(1) as f64;
        let untouched = tally.storages_pending.saturating_sub(tally.storages_huge) as f64;
        let owed = tally.slots_owed as f64 + untouched * mean;
        if held == 0.0 { tally.share } else { tally.share * held / (held + owed) }
    }
}

/// The two ways out, and what was counted.
#[derive(Debug)]
pub(crate) struct Outlets {
    events: broadcast::Sender<Event>,
    progress: watch::Sender<Progress>,
    pub(crate) figures: Figures,
    /// The largest share that was shown, and the first one.
    share: f64,
    share_before: Option<f64>,
    applied_at: Instant,
    reconciling: Option<Reconciling>,
    /// The version of snap that is spoken.
    pub(crate) snap: SnapVersion,
}

/// A reconciler at work.
#[derive(Debug)]
struct Reconciling {
    by: Reconciler,
    since: Instant,
    before: Reconciled,
}

impl Outlets {
    pub(crate) fn new(
        events: broadcast::Sender<Event>,
        progress: watch::Sender<Progress>,
        before: HeldBefore,
        snap: SnapVersion,
    ) -> Self {
        let figures = Figures {
            answers: 0,
            answer_bytes: 0,
            hashed: Hashed::default(),
            wakes: 0,
            fresh_cycles: 0,
            durable: Leaves::default(),
            reconciled: Reconciled::default(),
            durable_at: Instant::now(),
            blocks_taken: 0,
            applying: Applying::nothing(),
            leaves_before: before.leaves,
            whole_storages: before.sample.storages,
            whole_slots: before.sample.slots,
        };
        let applied_at = Instant::now();
        Self {
            events,
            progress,
            figures,
            share: 0.0,
            share_before: None,
            applied_at,
            reconciling: None,
            snap,
        }
    }

    /// Tells whoever listens; nobody may.
    pub(crate) fn event(&mut self, event: Event) {
        if event.is_step() {
            self.applied();
        }
        self.send(event);
    }

    fn send(&self, event: Event) {
        tracing::debug!(?event, "event");
        let _nobody_listens = self.events.send(event);
    }

    /// A phase begins. What brought rows to one block in the one before ends with it.
    pub(crate) fn phase(&mut self, phase: Phase) {
        let by = Reconciler::of(phase);
        if let Some(Reconciling { by, since, before }) = self.reconciling.take() {
            let did = self.figures.reconciled.since(&before);
            self.event(Event::ReconcileEnded { by, did, took: since.elapsed() });
        }
        self.event(Event::Phase(phase));
        if let Some(by) = by {
            self.reconciling =
                Some(Reconciling { by, since: Instant::now(), before: self.figures.reconciled });
            self.event(Event::ReconcileBegan(by));
        }
    }

    /// Tells what became durable, if that is due.
    pub(crate) fn look(&mut self) {
        if self.applied_at.elapsed() >= APPLIED_EVERY {
            self.applied();
        }
    }

    fn applied(&mut self) {
        if let Some(applied) = self.figures.applying.take() {
            self.applied_at = Instant::now();
            self.send(Event::Applied(applied));
        }
    }

    /// Shows the newest figures.
    pub(crate) fn publish(
        &mut self,
        desk: &Desk,
        peers: usize,
        elapsed: Duration,
        stalled: Option<(Stall, Duration)>,
        waiting_for: Option<String>,
    ) {
        let engine = desk.engine();
        let tally = engine.tally();
        // An estimate may fall when a large storage is found; what is told does not.
        self.share = self.share.max(self.figures.share(&tally));
        let share_before = *self.share_before.get_or_insert(self.share);
        let target = engine.pin().map(|pin| pin.target);
        let _nobody_looks = self.progress.send(Progress {
            phase: format!("{:?}", engine.phase()).to_lowercase(),
            target_number: target.map(|target| target.number),
            target_hash: target.map(|target| target.hash),
            share: self.share,
            share_before,
            snap: Some(self.snap.number()),
            peers,
            in_flight: desk.in_flight().len(),
            reserved_bytes: desk.reserved_bytes(),
            durable: self.figures.durable,
            reconciled: self.figures.reconciled,
            answer_bytes: self.figures.answer_bytes,
            answers: self.figures.answers,
            hashed: self.figures.hashed,
            wakes: self.figures.wakes,
            storages_pending: tally.storages_pending,
            codes_pending: tally.codes_pending,
            headers_missing: tally.headers_missing,
            bodies_missing: tally.bodies_missing,
            receipts_missing: tally.receipts_missing,
            elapsed,
            idle: self.figures.durable_at.elapsed(),
            stalled: stalled.map(|(stall, _)| stall.label()),
            stalled_for: stalled.map(|(_, lasts)| lasts).unwrap_or_default(),
            fresh_cycles: self.figures.fresh_cycles,
            head_number: engine.head().map(|head| head.number),
            rows_at: engine.rows_at(),
            state_at: engine.verified().map(|target| target.number),
            blocks_taken: self.figures.blocks_taken,
            gain: engine.gain(),
            gain_lately: engine.gain_lately(),
            waiting_for,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outlets(leaves: u64) -> Outlets {
        resumed(HeldBefore { leaves, ..HeldBefore::default() })
    }

    fn resumed(before: HeldBefore) -> Outlets {
        Outlets::new(
            broadcast::channel(1).0,
            watch::channel(Progress::default()).0,
            before,
            SnapVersion::Snap1,
        )
    }

    // ROW: F51
    #[test]
    fn what_became_durable_is_told_before_the_step_that_follows_from_it_and_a_reconciler_says_what_it_did() {
        let (events, mut heard) = broadcast::channel(16);
        let mut outlets = Outlets::new(
            events,
            watch::channel(Progress::default()).0,
            HeldBefore::default(),
            SnapVersion::Snap1,
        );
        outlets.figures.applying.codes(7);
        outlets.event(Event::PeerDown { peer: "one".into(), reason: "it left".into() });
        outlets.phase(Phase::Heal);
        outlets.figures.reconciled.nodes += 9;
        outlets.phase(Phase::Rebuild);
        let mut next = || heard.try_recv().expect("it was told");
        assert!(matches!(next(), Event::PeerDown { .. }), "this waits for no rows");
        assert!(matches!(next(), Event::Applied(applied) if applied.codes == 7));
        assert_eq!(next(), Event::Phase(Phase::Heal));
        assert_eq!(next(), Event::ReconcileBegan(Reconciler::Walk));
        let Event::ReconcileEnded { by: Reconciler::Walk, did, .. } = next() else { panic!("it is over") };
        assert_eq!(did, Reconciled { nodes: 9, ..Reconciled::default() });
        assert_eq!(next(), Event::Phase(Phase::Rebuild));
        assert!(heard.try_recv().is_err());
    }

    fn tally(share: f64, storages_pending: usize, storages_huge: usize, slots_owed: u64) -> Tally {
        Tally {
            share,
            account_gaps: 1,
            storages_pending,
            storages_huge,
            claims_outdated: 0,
            renewals_open: 0,
            storages_deriving: 0,
            storages_owed: 0,
            storages_owed_cut: 0,
            slots_owed,
            codes_pending: 0,
            lists_missing: 0,
            header_floor: None,
            headers_missing: 0,
            bodies_missing: 0,
            receipts_missing: 0,
        }
    }

    #[test]
    fn share_counts_the_slots_that_are_missing_and_not_accounts_alone() {
        let mut figures = outlets(0).figures;
        figures.durable = Leaves { accounts: 1_000, slots: 1_000, ..Leaves::default() };
        assert_eq!(figures.share(&tally(0.5, 0, 0, 0)), 0.5, "nothing is open behind the accounts");
        // All accounts are here, and one contract of 8,000 slots more is not.
        assert_eq!(figures.share(&tally(1.0, 1, 1, 8_000)), 0.2);
        // Storages of which nothing came count as those that came whole: 10 slots each.
        (figures.whole_storages, figures.whole_slots) = (100, 1_000);
        assert_eq!(figures.share(&tally(1.0, 200, 0, 0)), 0.5);
        let resumed = outlets(6_000).figures;
        assert_eq!(resumed.share(&tally(1.0, 1, 1, 2_000)), 0.75, "what was held before counts");
    }

    #[test]
    fn share_of_a_run_that_resumes_counts_storages_that_wait_by_those_that_are_held() {
        let sample = StorageSample { storages: 64, slots: 640 };
        let figures = resumed(HeldBefore { leaves: 6_000, sample }).figures;
        assert_eq!(figures.share(&tally(1.0, 200, 0, 0)), 0.75, "200 storages of 10 slots are open");
    }
}
