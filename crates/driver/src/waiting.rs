//! When the block above the state is taken: at once, when its access list is here, or some time after a failure; and whether lists are wanted.
//!
//! ```text
//!   lists are not wanted            at once
//!   they are, and its own is here   at once
//!   they are, and it is not here    after a while: it is executed then, or fails for want of its list
//!   it has failed                   after a while, or when its list comes, if one was not there before
//! ```
//!
//! Pure: time is passed in. It takes no block and asks for no list.

use std::time::Duration;

use alloy_primitives::B256;
use snapsync_execute::Follower;
use snapsync_wire::Header;

use crate::taking::Wish;

/// A block whose taking failed is tried again after this time; so long is a list waited for.
const RETRY: Duration = Duration::from_secs(5);

/// A block that could not be taken.
#[derive(Clone, Copy, Debug)]
struct Failure {
    block: B256,
    /// When it is tried again.
    until: Duration,
    /// A list that comes is of use before that.
    wants_list: bool,
}

/// What is waited for.
#[derive(Debug)]
pub(crate) struct Waiting {
    wish: Wish,
    failure: Option<Failure>,
    /// A block whose list is waited for, and since when.
    since: Option<(B256, Duration)>,
}

impl Waiting {
    pub(crate) const fn for_nothing() -> Self {
        Self { wish: Wish::NoLists, failure: None, since: None }
    }

    /// Whether lists are wanted.
    pub(crate) const fn wish(&self) -> Wish {
        self.wish
    }

    /// No block may be taken.
    pub(crate) const fn stop(&mut self) {
        self.wish = Wish::NoLists;
    }

    /// No block is there: where this one, the last, has a list, the next will have one.
    pub(crate) fn stand(&mut self, now: Duration, follower: &Follower, last: &Header) {
        self.wish = wish(last, follower.wants_list(now));
    }

    /// Whether this block is to be taken now.
    pub(crate) fn is_due(
        &mut self,
        now: Duration,
        follower: &Follower,
        block: &Header,
        has_list: bool,
    ) -> bool {
        let hash = block.hash();
        let failure = self.failure.filter(|failure| failure.block == hash);
        let has_failed = failure.is_some_and(|failure| failure.wants_list);
        self.wish = wish(block, follower.wants_list(now) || has_failed);
        if let Some(failure) = failure {
            return now >= failure.until || has_list && failure.wants_list;
        }
        if has_list || self.wish == Wish::NoLists {
            return true;
        }
        let since = self.since.filter(|(waits, _)| *waits == hash).map_or(now, |(_, since)| since);
        self.since = Some((hash, since));
        now >= since + RETRY
    }

    /// This block was not taken, for a reason that says nothing of it.
    pub(crate) fn failed(&mut self, now: Duration, follower: &Follower, block: B256, has_list: bool) {
        let wants_list = follower.may_apply() && !has_list;
        self.failure = Some(Failure { block, until: now + RETRY, wants_list });
    }
}

/// Lists are wanted where they are better, unless this block has none.
fn wish(block: &Header, is_better: bool) -> Wish {
    let has_list = block.block_access_list_hash.is_some();
    if is_better && has_list { Wish::Lists } else { Wish::NoLists }
}

#[cfg(test)]
mod tests {
    use snapsync_execute::{Block, BlockExecutor, Error, Executed, Fork, Forks, ParentState, Rules};
    use snapsync_wire::HeaderFields;

    use super::*;

    struct Never;

    impl BlockExecutor for Never {
        fn execute(
            &mut self,
            _: &Rules,
            _: &Block,
            _: &Header,
            _: &mut dyn ParentState,
        ) -> Result<Executed, Error> {
            unreachable!("no block is taken here")
        }
    }

    fn forks() -> Forks {
        Forks::since_genesis(1, Fork::Amsterdam)
    }

    fn either() -> Follower {
        Follower::executing_or_applying(forks(), Box::new(Never), Duration::ZERO)
    }

    fn with_list(number: u64) -> Header {
        Header::made(&HeaderFields::amsterdam(number, B256::ZERO, B256::ZERO, B256::ZERO))
    }

    fn without(number: u64) -> Header {
        Header::made(&HeaderFields { number, ..HeaderFields::default() })
    }

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    // ROW: F8
    #[test]
    fn with_an_executor_alone_no_list_is_ever_wanted_or_waited_for() {
        let (mut waiting, follower) = (Waiting::for_nothing(), Follower::executing(forks(), Box::new(Never)));
        let block = with_list(7);
        assert!(waiting.is_due(at(0), &follower, &block, false));
        waiting.failed(at(1), &follower, block.hash(), false);
        assert!(!waiting.is_due(at(5), &follower, &block, false));
        assert!(waiting.is_due(at(6), &follower, &block, false), "it is tried again");
        waiting.stand(at(7), &follower, &block);
        assert_eq!(waiting.wish(), Wish::NoLists);
    }

    #[test]
    fn by_lists_alone_each_block_waits_for_its_own_and_not_for_ever() {
        let (mut waiting, follower) = (Waiting::for_nothing(), Follower::applying_lists(forks()));
        let block = with_list(7);
        assert!(!waiting.is_due(at(0), &follower, &block, false));
        assert_eq!(waiting.wish(), Wish::Lists);
        assert!(waiting.is_due(at(1), &follower, &block, true));
        assert!(!waiting.is_due(at(4), &follower, &block, false));
        assert!(waiting.is_due(at(5), &follower, &block, false), "that there is none is told");
        waiting.failed(at(5), &follower, block.hash(), false);
        assert!(!waiting.is_due(at(9), &follower, &block, false));
        assert!(waiting.is_due(at(9), &follower, &block, true), "it has come");
        waiting.failed(at(9), &follower, block.hash(), true);
        assert!(!waiting.is_due(at(10), &follower, &block, true), "the same list is of no use at once");
        waiting.stand(at(11), &follower, &block);
        assert_eq!(waiting.wish(), Wish::Lists, "the next block has one");
        waiting.stop();
        assert_eq!(waiting.wish(), Wish::NoLists);
    }

    #[test]
    fn a_block_without_a_list_waits_for_none() {
        let (mut waiting, follower) = (Waiting::for_nothing(), Follower::applying_lists(forks()));
        assert!(waiting.is_due(at(0), &follower, &without(7), false));
        waiting.stand(at(0), &follower, &without(7));
        assert_eq!(waiting.wish(), Wish::NoLists);
    }

    #[test]
    fn the_list_of_a_block_that_failed_is_wanted_though_the_executor_does_not_rest() {
        let (mut waiting, follower, block) = (Waiting::for_nothing(), either(), with_list(7));
        assert!(waiting.is_due(at(0), &follower, &block, false));
        waiting.failed(at(0), &follower, block.hash(), false);
        assert!(!waiting.is_due(at(1), &follower, &block, false));
        assert_eq!(waiting.wish(), Wish::Lists);
        assert!(waiting.is_due(at(1), &follower, &block, true));
        assert!(waiting.is_due(at(2), &follower, &with_list(8), false), "the next one is executed");
        assert_eq!(waiting.wish(), Wish::NoLists);
    }
}
