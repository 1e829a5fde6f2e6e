//! Access lists of the blocks above the state, from when they were proved until their blocks were taken.
//!
//! The worker that proves lists puts them here, the one that takes blocks looks here, and the planner drops what is of no use any more. What they may
//! weigh together is said where they are asked for: each answer keeps its reservation until none of its lists is left.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use alloy_primitives::{B256, Bytes};
use snapsync_stream::RequestId;

/// A list, as it came. Its hash is the one that its block's header names.
#[derive(Debug)]
struct Kept {
    number: u64,
    raw: Bytes,
}

/// The lists that are kept. Clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct ListsAbove(Arc<Mutex<BTreeMap<(B256, RequestId), Kept>>>);

impl ListsAbove {
    /// Keeps a block's list, which the answer to this request gave.
    pub(crate) fn put(&self, request: RequestId, (number, hash): (u64, B256), raw: Bytes) {
        self.lock().insert((hash, request), Kept { number, raw });
    }

    /// The list of the block of this hash, if it is here.
    pub(crate) fn of(&self, hash: &B256) -> Option<Bytes> {
        let lists = self.lock();
        let of_block = (*hash, RequestId(0))..=(*hash, RequestId(u64::MAX));
        lists.range(of_block).next().map(|(_, kept)| kept.raw.clone())
    }

    /// Drops the lists of all blocks but those above this one; all, if there is none. Gives the requests of which nothing is left.
    pub(crate) fn drop_below(&self, state: Option<u64>) -> BTreeSet<RequestId> {
        self.retain(|number| state.is_some_and(|state| number > state))
    }

    /// Drops the lists of the blocks above this one, which are others from now on. Gives the requests of which nothing is left.
    pub(crate) fn drop_above(&self, fork: u64) -> BTreeSet<RequestId> {
        self.retain(|number| number <= fork)
    }

    fn retain(&self, stays: impl Fn(u64) -> bool) -> BTreeSet<RequestId> {
        let mut lists = self.lock();
        let requests = |lists: &BTreeMap<(B256, RequestId), Kept>| -> BTreeSet<RequestId> {
            lists.keys().map(|(_, request)| *request).collect()
        };
        let before = requests(&lists);
        lists.retain(|_, kept| stays(kept.number));
        &before - &requests(&lists)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<(B256, RequestId), Kept>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(number: u64) -> B256 {
        B256::with_last_byte(number as u8)
    }

    #[test]
    fn an_answer_is_used_once_none_of_its_lists_is_left() {
        let lists = ListsAbove::default();
        for (request, number) in [(1, 11), (1, 12), (2, 13), (3, 13)] {
            lists.put(RequestId(request), (number, hash(number)), Bytes::from(vec![number as u8]));
        }
        assert_eq!(lists.of(&hash(12)), Some(Bytes::from(vec![12])));
        assert_eq!(lists.of(&hash(14)), None);
        let used = |state| lists.drop_below(state).into_iter().map(|request| request.0).collect::<Vec<_>>();
        assert!(used(Some(11)).is_empty(), "12 is still to be taken");
        assert_eq!((used(Some(12)), lists.of(&hash(12))), (vec![1], None));
        assert!(lists.of(&hash(13)).is_some());
        assert!(lists.drop_above(13).is_empty());
        assert_eq!(lists.drop_above(12).into_iter().collect::<Vec<_>>(), [RequestId(2), RequestId(3)]);
        lists.put(RequestId(4), (14, hash(14)), Bytes::new());
        assert_eq!(used(None), [4]);
    }
}
