//! Where rows and head are, looked at some times a minute: what the race is judged by (`gain.rs`), and what of it may be seen from outside.
//!
//! It reads the engine's parts and changes none but the race.

use std::time::Duration;

use crate::{Gain, Target, machine::Engine};

impl Engine {
    /// The block that the state is of, once its root was derived and compared.
    pub fn verified(&self) -> Option<Target> {
        self.pin.filter(|_| self.rebuilt.is_some()).map(|pin| pin.target)
    }

    /// The block that all rows are of, if they are not younger; nothing while some are missing or of no known block.
    pub fn rows_at(&self) -> Option<u64> {
        let pin = self.pin?;
        if self.rebuilt.is_some() || self.healing.is_done() {
            return Some(pin.target.number);
        }
        if !self.state.accounts.are_in() {
            return None;
        }
        self.oldest_rows().map(|oldest| oldest.number)
    }

    /// Blocks brought on against blocks produced, since all rows are here.
    pub fn gain(&self) -> Option<Gain> {
        self.race.whole()
    }

    /// The same lately: what there is to go by.
    pub fn gain_lately(&self) -> Option<Gain> {
        self.race.lately()
    }

    /// Whether the head wins: rows fall behind, or come no nearer to it.
    pub fn is_losing_to_head(&self) -> bool {
        self.rebuilt.is_none() && self.race.is_lost()
    }

    /// Looks where rows and head are, some times a minute.
    pub(crate) fn measure(&mut self, now: Duration) {
        let is_final = self.rebuilt.is_some();
        let is_told = self.pin.is_some_and(|pin| self.race.is_seen_at(pin.target.number));
        if is_final && is_told || !is_final && !self.race.is_due(&self.config, now) {
            return;
        }
        let (Some(rows), Some(head)) = (self.rows_at(), self.chain.heads.top()) else { return };
        self.race.see(&self.config, now, rows, head.number, self.phase);
    }
}
