//! What the host hears: events through a broadcast, figures through a latest-only slot.
//!
//! Nothing here waits for a listener: one that lags loses the oldest events, and sees the newest figures.

use std::time::{Duration, Instant};

use snapsync_stream::{Desk, Stall};
use snapsync_sync::Tally;
use tokio::sync::{broadcast, watch};

use crate::{Event, Hashed, Leaves, Progress, Reconciled};

/// What this run counted.
#[derive(Debug)]
pub(crate) struct Figures {
    pub(crate) answers: u64,
    pub(crate) answer_bytes: u64,
    pub(crate) hashed: Hashed,
    pub(crate) wakes: u64,
    pub(crate) durable: Leaves,
    pub(crate) reconciled: Reconciled,
    pub(crate) durable_at: Instant,
    /// Accounts and slots that were held before this run.
    pub(crate) leaves_before: u64,
    /// Storages that came whole in one answer, and their slots.
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
}

impl Outlets {
    pub(crate) fn new(
        events: broadcast::Sender<Event>,
        progress: watch::Sender<Progress>,
        leaves_before: u64,
    ) -> Self {
        let figures = Figures {
            answers: 0,
            answer_bytes: 0,
            hashed: Hashed::default(),
            wakes: 0,
            durable: Leaves::default(),
            reconciled: Reconciled::default(),
            durable_at: Instant::now(),
            leaves_before,
            whole_storages: 0,
            whole_slots: 0,
        };
        Self { events, progress, figures, share: 0.0, share_before: None }
    }

    /// Tells whoever listens; nobody may.
    pub(crate) fn event(&self, event: Event) {
        tracing::debug!(?event, "event");
        let _nobody_listens = self.events.send(event);
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
            head_number: engine.head().map(|head| head.number),
            rows_at: engine.rows_at(),
            gain: engine.gain(),
            gain_lately: engine.gain_lately(),
            waiting_for,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outlets(leaves_before: u64) -> Outlets {
        Outlets::new(broadcast::channel(1).0, watch::channel(Progress::default()).0, leaves_before)
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
}
