//! Bytes that answers may hold: asked for, arrived, or waiting to be durable. State and history have their own shares,
//! so that a slow body never delays state.

use std::collections::BTreeMap;

use snapsync_peers::Noun;

use crate::RequestId;

/// The most that history may hold, in percent.
const HISTORY_PERCENT: u64 = 25;

/// The most that lists may take that are kept until their blocks are taken, but for one answer, in percent: some eighty of a
/// mainnet block, 72 KiB each, in the usual budget.
const KEPT_PERCENT: u64 = 6;

/// What state leaves to history in any case, in percent: a few answers' worth, so that it goes on beside state.
const HISTORY_PERCENT_LEAST: u64 = 6;

/// What a reservation counts to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Share {
    State,
    History,
    /// Answers that are kept for later. What they wait for is history, and must find room.
    Kept,
}

impl Share {
    fn of(noun: Noun) -> Self {
        if noun.is_state() { Self::State } else { Self::History }
    }
}

#[derive(Clone, Copy, Debug)]
struct Reserved {
    share: Share,
    bytes: u64,
}

/// Reservations by request.
#[derive(Debug)]
pub(crate) struct Budget {
    bytes: u64,
    history_max: u64,
    history_least: u64,
    held: BTreeMap<RequestId, Reserved>,
    state: u64,
    history: u64,
    kept: u64,
    /// What walks know of and have not asked for; it is bounded by their width.
    walks: u64,
}

impl Budget {
    pub(crate) fn new(bytes: u64) -> Self {
        Self {
            bytes,
            history_max: bytes / 100 * HISTORY_PERCENT,
            history_least: bytes / 100 * HISTORY_PERCENT_LEAST,
            held: BTreeMap::new(),
            state: 0,
            history: 0,
            kept: 0,
            walks: 0,
        }
    }

    /// All bytes that are reserved.
    pub(crate) fn bytes(&self) -> u64 {
        self.state + self.history + self.kept
    }

    /// Reservations that are held.
    pub(crate) fn len(&self) -> usize {
        self.held.len()
    }

    /// State may have what neither history nor walks hold, nor what is kept, but for history's least share.
    fn state_max(&self) -> u64 {
        self.bytes.saturating_sub(self.history.max(self.history_least) + self.walks + self.kept)
    }

    /// Walks know of nodes of so many bytes that they have not asked for: memory that no request reserves.
    pub(crate) fn know(&mut self, bytes: u64) {
        self.walks = bytes;
    }

    /// What all peers' windows together should not exceed, so that the budget need not refuse: answers are reserved with
    /// some room, and stay reserved until they are durable.
    pub(crate) fn for_windows(&self) -> u64 {
        self.state_max() / 3 * 2
    }

    /// History may have its share as far as state has left it.
    fn history_max(&self) -> u64 {
        let left = self.bytes.saturating_sub(self.state + self.kept);
        self.history_max.min(left.max(self.history_least))
    }

    /// Bytes that are reserved for history.
    pub(crate) fn history(&self) -> u64 {
        self.history
    }

    /// Whether so many more bytes would be within the most that history may hold.
    pub(crate) fn history_fits(&self, bytes: u64) -> bool {
        self.history.saturating_add(bytes) <= self.history_max
    }

    fn sum(&mut self, share: Share) -> &mut u64 {
        match share {
            Share::State => &mut self.state,
            Share::History => &mut self.history,
            Share::Kept => &mut self.kept,
        }
    }

    /// An answer is kept until it is used: it stands in nobody's way from now on but that of more of its kind.
    pub(crate) fn keep(&mut self, id: RequestId) {
        if let Some(held) = self.held.get_mut(&id) {
            let Reserved { share, bytes } = std::mem::replace(held, Reserved { share: Share::Kept, ..*held });
            *self.sum(share) -= bytes;
            self.kept += bytes;
        }
    }

    /// Whether no more of what is kept is to be asked for.
    pub(crate) fn keeps_enough(&self) -> bool {
        self.kept > 0 && self.kept >= self.bytes / 100 * KEPT_PERCENT
    }

    /// How many of `bytes` may be asked for now: all, or none; when nothing is held, as much as there can be.
    pub(crate) fn grant(&self, noun: Noun, bytes: u64) -> Option<u64> {
        let (held, max) =
            if noun.is_state() { (self.state, self.state_max()) } else { (self.history, self.history_max()) };
        if held == 0 {
            return Some(bytes.min(max.max(1)));
        }
        (held + bytes <= max).then_some(bytes)
    }

    pub(crate) fn reserve(&mut self, id: RequestId, noun: Noun, bytes: u64) {
        let share = Share::of(noun);
        *self.sum(share) += bytes;
        let before = self.held.insert(id, Reserved { share, bytes });
        assert!(before.is_none(), "a request reserves once");
    }

    /// Whether an answer of so many bytes is more than was reserved for it, and too much beside what others of its class hold. What its twin
    /// holds comes free with it.
    pub(crate) fn is_beyond(&self, id: RequestId, twin: Option<RequestId>, bytes: u64) -> bool {
        let Some(held) = self.held.get(&id).filter(|held| bytes > held.bytes) else { return false };
        let twin = twin.and_then(|twin| self.held.get(&twin)).map_or(0, |twin| twin.bytes);
        let (all, max) = if held.share == Share::State {
            (self.state, self.state_max())
        } else {
            (self.history, self.history_max())
        };
        let others = all - held.bytes - twin;
        others > 0 && others + bytes > max
    }

    /// The answer is here: its true size counts from now on.
    pub(crate) fn correct(&mut self, id: RequestId, bytes: u64) {
        if let Some(held) = self.held.get_mut(&id) {
            let (share, before) = (held.share, held.bytes);
            held.bytes = bytes;
            let sum = self.sum(share);
            *sum = *sum - before + bytes;
        }
    }

    /// Durable, refused or given up.
    pub(crate) fn free(&mut self, id: RequestId) {
        if let Some(held) = self.held.remove(&id) {
            *self.sum(held.share) -= held.bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrival_corrects_and_durable_frees() {
        let mut budget = Budget::new(1000);
        budget.reserve(RequestId(1), Noun::Accounts, 800);
        assert_eq!(budget.grant(Noun::Accounts, 200), None);
        budget.correct(RequestId(1), 100);
        assert_eq!(budget.grant(Noun::Accounts, 200), Some(200));
        budget.free(RequestId(1));
        budget.free(RequestId(1));
        assert_eq!((budget.bytes(), budget.len()), (0, 0));
    }

    #[test]
    fn what_weighs_more_than_its_reservation_has_room_alone_or_not_beside_others() {
        let mut budget = Budget::new(1000);
        budget.reserve(RequestId(1), Noun::Codes, 100);
        assert!(!budget.is_beyond(RequestId(1), None, 10_000), "a single one always has room");
        budget.reserve(RequestId(2), Noun::Codes, 400);
        assert!(!budget.is_beyond(RequestId(1), None, 540) && budget.is_beyond(RequestId(1), None, 541));
        assert!(!budget.is_beyond(RequestId(1), Some(RequestId(2)), 10_000), "a twin makes room");
        assert!(!budget.is_beyond(RequestId(2), None, 400), "what was reserved is there");
    }

    #[test]
    fn history_never_takes_what_state_needs() {
        let mut budget = Budget::new(1000);
        budget.reserve(RequestId(1), Noun::Bodies, 250);
        assert_eq!(budget.grant(Noun::Receipts, 1), None);
        assert_eq!(budget.grant(Noun::Codes, 750), Some(750));
    }

    #[test]
    fn what_is_kept_leaves_history_its_room_and_lets_no_more_of_its_kind_in() {
        let mut budget = Budget::new(1000);
        budget.reserve(RequestId(1), Noun::Lists, 200);
        assert_eq!(budget.grant(Noun::Bodies, 200), None);
        budget.keep(RequestId(1));
        assert!(budget.keeps_enough() && budget.bytes() == 200);
        assert_eq!(budget.grant(Noun::Bodies, 250), Some(250), "blocks that wait for their bodies get them");
        budget.free(RequestId(1));
        budget.keep(RequestId(1));
        assert!(!budget.keeps_enough() && budget.bytes() == 0);
    }

    #[test]
    fn what_walks_know_of_is_no_room_for_answers() {
        let mut budget = Budget::new(1000);
        budget.reserve(RequestId(1), Noun::Nodes, 500);
        budget.know(240);
        assert_eq!((budget.grant(Noun::Nodes, 201), budget.grant(Noun::Nodes, 200)), (None, Some(200)));
        budget.know(0);
        assert_eq!(budget.grant(Noun::Nodes, 440), Some(440));
    }

    #[test]
    fn the_first_request_shrinks_to_the_budget() {
        assert_eq!(Budget::new(1000).grant(Noun::Accounts, 5000), Some(940));
    }

    #[test]
    fn state_takes_what_history_leaves_and_leaves_it_a_little() {
        let mut budget = Budget::new(1000);
        budget.reserve(RequestId(1), Noun::Codes, 900);
        assert_eq!(budget.grant(Noun::Codes, 50), None);
        assert_eq!(budget.grant(Noun::Codes, 40), Some(40));
        budget.reserve(RequestId(2), Noun::Bodies, 60);
        assert_eq!((budget.grant(Noun::Bodies, 41), budget.grant(Noun::Bodies, 40)), (None, Some(40)));
    }
}
