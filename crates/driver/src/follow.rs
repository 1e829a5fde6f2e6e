//! Which block is the newest, while the peers' chain moves on: each is asked in turns for what lies above the head that is known, and most of
//! those whose chain moves must say the same.
//!
//! ```text
//!   known 100     a: 100 101 102     b: 100 101 102 103     c: 100 (as before)     d: nothing
//!   a and b move, and both have 102 with the same hash: that is the head. c is stuck and d behind: neither holds us for long.
//!   b alone has 103: one peer does not choose the head while others move, too, or did so lately.
//! ```
//!
//! Pure: time is passed in, and what is to be asked is handed out. A peer alone is believed, as for the first target. It charges nobody: who says
//! otherwise may be on another fork, and headers are asked for by the hash that comes of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use alloy_primitives::B256;
use snapsync_peers::PeerId;

/// Ids of these requests count from here: far above those of the desk, and below those of the agreement on a target.
const FIRST_ID: u64 = 1 << 61;
/// How often they are asked.
const EVERY: Duration = Duration::from_secs(2);
/// A round does not wait longer for anybody. An answer that comes later has its say in the next one: lines are slow while state is fetched.
const ANSWER: Duration = Duration::from_secs(2);
/// Who has told nothing new for so long is stuck, and has no say: three blocks' time. Between two blocks nobody moves but liars.
const STUCK: Duration = Duration::from_secs(36);
/// Headers that are asked for: as many as there are above the head that is known, and no more than this.
pub(crate) const HEADERS_MAX: u64 = 128;

/// A block of a peer's chain.
type Block = (u64, B256);

/// What comes next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// Nothing, before this time or an answer.
    Wait(Duration),
    /// These peers are to be asked for headers upward from this height, each under its id.
    Ask { from: u64, questions: Vec<(u64, PeerId)> },
    /// This is the head.
    Head(B256),
}

/// A round of questions.
#[derive(Debug)]
struct Round {
    asked_at: Duration,
    open: BTreeSet<PeerId>,
}

/// The newest block that a peer told of, and when it was news.
#[derive(Clone, Copy, Debug)]
struct Newest {
    block: Block,
    since: Duration,
}

/// Looks for newer heads. See the module's documentation.
#[derive(Debug)]
pub(crate) struct Following {
    next_id: u64,
    next_at: Duration,
    round: Option<Round>,
    /// What was told since the last count.
    told: BTreeMap<PeerId, Vec<Block>>,
    newest: BTreeMap<PeerId, Newest>,
}

impl Following {
    pub(crate) fn new(now: Duration) -> Self {
        Self {
            next_id: FIRST_ID,
            next_at: now + EVERY,
            round: None,
            told: BTreeMap::new(),
            newest: BTreeMap::new(),
        }
    }

    /// Whether it asked a question with this id.
    pub(crate) fn has_asked(&self, id: u64) -> bool {
        (FIRST_ID..=self.next_id).contains(&id)
    }

    /// A peer's answer to one of our questions, of this round or an earlier one: the blocks of its headers.
    pub(crate) fn on_answer(&mut self, peer: PeerId, blocks: Vec<Block>) {
        self.told.insert(peer, blocks);
        if let Some(round) = &mut self.round {
            round.open.remove(&peer);
        }
    }

    /// A peer left.
    pub(crate) fn on_left(&mut self, peer: PeerId) {
        self.newest.remove(&peer);
        self.told.remove(&peer);
        if let Some(round) = &mut self.round {
            round.open.remove(&peer);
        }
    }

    /// All are asked as soon as may be.
    pub(crate) fn hurry(&mut self, now: Duration) {
        self.next_at = self.next_at.min(now);
    }

    /// When it is to be looked at again, if no answer comes before.
    pub(crate) fn wake_at(&self) -> Duration {
        self.round.as_ref().map_or(self.next_at, |round| round.asked_at + ANSWER)
    }

    /// What comes next; `peers` are all who may be asked, `known` is the head that is followed now.
    pub(crate) fn poll(&mut self, now: Duration, peers: impl Iterator<Item = PeerId>, known: Block) -> Look {
        match &self.round {
            None if now < self.next_at => Look::Wait(self.next_at),
            None => self.ask(now, peers, known),
            Some(round) if !round.open.is_empty() && now < round.asked_at + ANSWER => {
                Look::Wait(round.asked_at + ANSWER)
            }
            Some(_) => self.close(now, known),
        }
    }

    /// The round is over: what was told by now counts.
    fn close(&mut self, now: Duration, known: Block) -> Look {
        self.round = None;
        self.next_at = now + EVERY;
        self.count(now, known).map_or(Look::Wait(self.next_at), Look::Head)
    }

    fn ask(&mut self, now: Duration, peers: impl Iterator<Item = PeerId>, known: Block) -> Look {
        let mut questions = Vec::new();
        for peer in peers {
            self.next_id += 1;
            questions.push((self.next_id, peer));
        }
        if questions.is_empty() {
            return self.close(now, known);
        }
        let open = questions.iter().map(|(_, peer)| *peer).collect();
        self.round = Some(Round { asked_at: now, open });
        Look::Ask { from: known.0, questions }
    }

    /// The newest block that more than half of those have whose chains move, whether or not they moved just now.
    fn count(&mut self, now: Duration, known: Block) -> Option<B256> {
        let told = std::mem::take(&mut self.told);
        for (peer, blocks) in &told {
            let Some(block) = blocks.last() else { continue };
            // As many as were asked for are not all that there are.
            let goes_on = blocks.len() as u64 == HEADERS_MAX;
            let is_old = self.newest.get(peer).is_some_and(|newest| newest.block == *block) && !goes_on;
            if !is_old {
                self.newest.insert(*peer, Newest { block: *block, since: now });
            }
        }
        let moves = |peer: &PeerId| self.newest.get(peer).is_some_and(|newest| now < newest.since + STUCK);
        let movers = self.newest.keys().filter(|peer| moves(peer)).count();
        let mut votes: BTreeMap<Block, usize> = BTreeMap::new();
        for (_, blocks) in told.iter().filter(|(peer, _)| moves(peer)) {
            // A late answer may begin below.
            let blocks: BTreeSet<Block> = blocks.iter().copied().filter(|block| block.0 >= known.0).collect();
            blocks.into_iter().for_each(|block| *votes.entry(block).or_default() += 1);
        }
        let agreed = votes.into_iter().rev().find(|(_, votes)| 2 * votes > movers);
        agreed.map(|(block, _)| block).filter(|block| *block != known).map(|(_, hash)| hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A chain from 100 on; blocks from `fork` on are of another branch.
    fn chain(last: u64, fork: Option<u64>) -> Vec<Block> {
        let hash = |number: u64| {
            B256::left_padding_from(&[u8::from(fork.is_some_and(|fork| number >= fork)), number as u8])
        };
        (100..=last).map(|number| (number, hash(number))).collect()
    }

    fn known() -> Block {
        chain(100, None)[0]
    }

    /// One round in which the peers tell these chains.
    fn round(following: &mut Following, now: Duration, chains: &[Vec<Block>]) -> Look {
        let peers = || (0..chains.len() as u64).map(PeerId);
        let Look::Ask { from: 100, questions } = following.poll(now, peers(), known()) else {
            panic!("nobody is asked")
        };
        for (id, peer) in questions {
            assert!(following.has_asked(id));
            following.on_answer(peer, chains[peer.0 as usize].clone());
        }
        following.poll(now, peers(), known())
    }

    fn look(chains: &[Vec<Block>]) -> Option<u64> {
        let mut following = Following::new(Duration::ZERO);
        match round(&mut following, EVERY, chains) {
            Look::Head(hash) => Some(u64::from(hash.0[31])),
            Look::Wait(_) => None,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_newest_block_that_most_have_is_the_head() {
        assert_eq!(look(&[chain(105, None)]), Some(105), "one alone is believed");
        assert_eq!(look(&[chain(102, None), chain(103, None)]), Some(102), "what both have");
        assert_eq!(look(&[chain(102, None), chain(103, None), chain(103, None)]), Some(103));
        assert_eq!(look(&[chain(100, None), chain(100, None)]), None, "nothing is new");
    }

    // ROW: F6
    #[test]
    fn one_liar_moves_nothing_and_one_that_is_stuck_or_behind_holds_nothing() {
        assert_eq!(look(&[chain(102, None), chain(228, Some(101))]), None, "two that differ");
        assert_eq!(look(&[chain(102, None), chain(102, None), chain(228, Some(101))]), Some(102));
        assert_eq!(look(&[chain(102, None), Vec::new(), Vec::new()]), Some(102), "they sync themselves");
        let mut following = Following::new(Duration::ZERO);
        round(&mut following, EVERY, &[chain(102, None), chain(101, None)]);
        let stuck = [chain(104, None), chain(101, None)];
        assert_eq!(round(&mut following, EVERY * 2, &stuck), Look::Head(chain(101, None)[1].1));
        let look = round(&mut following, EVERY + STUCK, &stuck);
        assert_eq!(look, Look::Head(chain(104, None)[4].1), "the second has stood still for long");
    }

    #[test]
    fn a_liar_moves_nothing_between_two_blocks_of_the_others() {
        let mut following = Following::new(Duration::ZERO);
        let honest = chain(100, None);
        for turn in 1..18 {
            let chains = [honest.clone(), honest.clone(), chain(100 + u64::from(turn), Some(101))];
            assert!(matches!(round(&mut following, EVERY * turn, &chains), Look::Wait(_)), "{turn}");
        }
    }

    #[test]
    fn who_is_far_ahead_is_not_stuck() {
        let mut following = Following::new(Duration::ZERO);
        let ahead = chain(99 + HEADERS_MAX, None);
        for now in [EVERY, EVERY + STUCK] {
            let look = round(&mut following, now, std::slice::from_ref(&ahead));
            assert!(matches!(look, Look::Head(_)));
        }
    }

    #[test]
    fn another_branch_is_followed_once_most_are_on_it() {
        assert_eq!(look(&[chain(103, Some(100)), chain(103, Some(100)), chain(103, None)]), Some(103));
    }

    #[test]
    fn who_is_silent_or_leaves_is_not_waited_for_long() {
        let peers = || (0..3).map(PeerId);
        let mut following = Following::new(Duration::ZERO);
        assert_eq!(following.poll(Duration::ZERO, peers(), known()), Look::Wait(EVERY));
        let Look::Ask { questions, .. } = following.poll(EVERY, peers(), known()) else {
            panic!("nobody is asked")
        };
        assert_eq!(questions.len(), 3);
        following.on_answer(PeerId(0), chain(101, None));
        following.on_left(PeerId(1));
        assert_eq!(following.poll(EVERY, peers(), known()), Look::Wait(EVERY + ANSWER));
        assert_eq!(following.poll(EVERY + ANSWER, peers(), known()), Look::Head(chain(101, None)[1].1));
    }

    #[test]
    fn who_is_in_a_hurry_is_not_made_to_wait_for_the_next_round() {
        let one = || std::iter::once(PeerId(0));
        let mut following = Following::new(Duration::ZERO);
        assert_eq!(following.poll(Duration::ZERO, one(), known()), Look::Wait(EVERY));
        following.hurry(Duration::ZERO);
        assert!(matches!(following.poll(Duration::ZERO, one(), known()), Look::Ask { .. }));
    }

    #[test]
    fn a_late_answer_has_its_say_in_the_next_round() {
        let one = || std::iter::once(PeerId(0));
        let mut following = Following::new(Duration::ZERO);
        assert!(matches!(following.poll(EVERY, one(), known()), Look::Ask { .. }));
        assert_eq!(following.poll(EVERY + ANSWER, one(), known()), Look::Wait(2 * EVERY + ANSWER));
        following.on_answer(PeerId(0), chain(103, None));
        // It has owed an answer until now, so that it was not asked anew.
        let look = following.poll(2 * EVERY + ANSWER, std::iter::empty(), chain(102, None)[2]);
        assert_eq!(look, Look::Head(chain(103, None)[3].1));
        following.on_answer(PeerId(0), chain(103, None));
        let look = following.poll(3 * EVERY + ANSWER, std::iter::empty(), chain(110, None)[10]);
        assert!(matches!(look, Look::Wait(_)), "it is no way back");
    }
}
