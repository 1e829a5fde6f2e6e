//! Bytes that answers may hold: asked for, arrived, or waiting to be durable. State and history have their own shares,
//! so that a slow body never delays state.

use std::collections::BTreeMap;

use snapsync_peers::Noun;

use crate::RequestId;

/// The share of history, in percent. State has the rest.
const HISTORY_PERCENT: u64 = 25;

#[derive(Clone, Copy, Debug)]
struct Held {
    noun: Noun,
    bytes: u64,
}

/// Reservations by request.
#[derive(Debug)]
pub(crate) struct Budget {
    state_max: u64,
    history_max: u64,
    held: BTreeMap<RequestId, Held>,
    state: u64,
    history: u64,
}

impl Budget {
    pub(crate) fn new(bytes: u64) -> Self {
        let history_max = bytes / 100 * HISTORY_PERCENT;
        Self { state_max: bytes - history_max, history_max, held: BTreeMap::new(), state: 0, history: 0 }
    }

    /// All bytes that are reserved.
    pub(crate) fn bytes(&self) -> u64 {
        self.state + self.history
    }

    /// Reservations that are held.
    pub(crate) fn len(&self) -> usize {
        self.held.len()
    }

    fn sum(&mut self, noun: Noun) -> &mut u64 {
        if noun.is_state() { &mut self.state } else { &mut self.history }
    }

    /// How many of `bytes` may be asked for now: all, or none; when nothing is held, as much as there can be.
    pub(crate) fn grant(&self, noun: Noun, bytes: u64) -> Option<u64> {
        let (held, max) =
            if noun.is_state() { (self.state, self.state_max) } else { (self.history, self.history_max) };
        if held == 0 {
            return Some(bytes.min(max.max(1)));
        }
        (held + bytes <= max).then_some(bytes)
    }

    pub(crate) fn reserve(&mut self, id: RequestId, noun: Noun, bytes: u64) {
        *self.sum(noun) += bytes;
        let before = self.held.insert(id, Held { noun, bytes });
        assert!(before.is_none(), "a request reserves once");
    }

    /// The answer is here: its true size counts from now on.
    pub(crate) fn correct(&mut self, id: RequestId, bytes: u64) {
        if let Some(held) = self.held.get_mut(&id) {
            let (noun, before) = (held.noun, held.bytes);
            held.bytes = bytes;
            let sum = self.sum(noun);
            *sum = *sum - before + bytes;
        }
    }

    /// Durable, refused or given up.
    pub(crate) fn free(&mut self, id: RequestId) {
        if let Some(held) = self.held.remove(&id) {
            *self.sum(held.noun) -= held.bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrival_corrects_and_durable_frees() {
        let mut budget = Budget::new(1000);
        budget.reserve(RequestId(1), Noun::Accounts, 600);
        assert_eq!(budget.grant(Noun::Accounts, 200), None);
        budget.correct(RequestId(1), 100);
        assert_eq!(budget.grant(Noun::Accounts, 200), Some(200));
        budget.free(RequestId(1));
        budget.free(RequestId(1));
        assert_eq!((budget.bytes(), budget.len()), (0, 0));
    }

    #[test]
    fn history_never_takes_what_state_needs() {
        let mut budget = Budget::new(1000);
        budget.reserve(RequestId(1), Noun::Bodies, 250);
        assert_eq!(budget.grant(Noun::Receipts, 1), None);
        assert_eq!(budget.grant(Noun::Codes, 750), Some(750));
    }

    #[test]
    fn the_first_request_shrinks_to_the_budget() {
        assert_eq!(Budget::new(1000).grant(Noun::Accounts, 5000), Some(750));
    }
}
