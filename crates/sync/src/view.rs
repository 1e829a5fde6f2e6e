//! What may be seen of an engine from outside.

use std::time::Duration;

use crate::{Config, Coverage, Head, Phase, Pin, Tally, machine::Engine};

impl Engine {
    /// When [`Engine::handle_timeout`] wants to be called, if ever. A standing target waits for nothing.
    pub fn next_timeout(&self) -> Option<Duration> {
        None
    }

    /// The settings.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The phase.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// The target, once its header is known.
    pub fn pin(&self) -> Option<Pin> {
        self.pin
    }

    /// The highest block whose headers are held without a hole, once the target's is: the head that was named last, when it is here.
    pub fn head(&self) -> Option<Head> {
        self.chain.heads.top()
    }

    /// Whether there are bodies or receipts that no peer had until now.
    pub fn lacks_history(&self) -> bool {
        self.chain.lacks_blocks()
    }

    /// What is held of the accounts.
    pub fn account_coverage(&self) -> &Coverage {
        self.state.accounts.held()
    }

    /// Figures for a watcher.
    pub fn tally(&self) -> Tally {
        // The last bit is kept back until the derived root was compared: only that makes a state complete.
        let share_max = if self.rebuilt.is_some() { 1.0 } else { 0.9999 };
        let floor = self.chain.headers.floor().map(|floor| floor.number);
        let target = self.pin.map_or(0, |pin| pin.target.number);
        Tally {
            share: self.state.accounts.share().min(share_max),
            account_gaps: self.state.accounts.gaps(),
            storages_pending: self.state.storages.len(),
            storages_huge: self.state.storages.huge(),
            claims_outdated: self.state.storages.claims_outdated(),
            renewals_open: self.state.renewals.accounts(),
            storages_deriving: self.state.storages.deriving(),
            storages_owed: self.state.owed.len(),
            storages_owed_cut: self.state.owed.cut().len(),
            slots_owed: self.state.storages.slots_owed(),
            codes_pending: self.state.codes.len(),
            lists_missing: self.lists_missing(),
            header_floor: floor,
            headers_missing: floor.map_or(target, |floor| floor.saturating_sub(1))
                + self.chain.heads.missing(),
            bodies_missing: self.chain.bodies.missing(),
            receipts_missing: self.chain.receipts.missing(),
        }
    }
}
