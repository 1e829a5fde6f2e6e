//! Which block a height, or `latest`, means when the operator named no hash: the connected peers say, and most of them must
//! say the same.
//!
//! Pure: time is passed in, and what is to be asked is handed out. It trusts the majority of the peers for which block it is,
//! and the header for nothing else: the sync itself starts from the hash. It charges nobody: who says otherwise may be on
//! another fork.
//!
//! - `latest`: the largest group of peers whose newest blocks lie within [`WINDOW`] of each other; the lowest of these blocks,
//!   so that all of the group have it. Peers that say 0 sync themselves and are left out. As many peers ahead of the group, or
//!   together in another one, leave no majority. Of two peers that lie further apart neither is believed.
//! - a height, and then the hash at it: what more than half of those say that have a block there. One peer alone is believed;
//!   of two that differ neither is.

use std::{collections::BTreeMap, time::Duration};

use alloy_primitives::B256;
use snapsync_peers::PeerId;

use crate::{Answer, Error, naming::Naming};

/// Ids of these requests count from here, far above those of the desk, which count from zero.
const FIRST_ID: u64 = 1 << 62;
/// Given peers that were neither met nor tried in vain by then are not waited for; nor, where none are given, anybody else.
const GATHER: Duration = Duration::from_secs(2);
/// A peer that does not answer for so long has no say.
const ANSWER: Duration = Duration::from_secs(5);
/// Without any answer so long after the first question the target cannot be named.
const GIVE_UP: Duration = Duration::from_secs(30);
/// Newest blocks this near to each other are of one chain's head: peers serve the states of about so many.
const WINDOW: u64 = 128;

/// A connected peer.
#[derive(Clone, Debug)]
pub(crate) struct Voter {
    pub(crate) peer: PeerId,
    /// As lines for people name it.
    pub(crate) name: String,
    /// The newest block that it claims.
    pub(crate) latest: u64,
}

/// What comes next.
#[derive(Debug)]
pub(crate) enum Step {
    /// Nothing, until somebody comes or answers, or some time has passed.
    Wait,
    /// These peers are to be asked for the header at this height, each under its id.
    Ask { number: u64, questions: Vec<(u64, PeerId)> },
    /// The block.
    Agreed(Agreed),
}

/// What most peers say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Agreed {
    pub(crate) number: u64,
    pub(crate) hash: B256,
    /// How many say so.
    pub(crate) votes: usize,
    /// Those who say otherwise, and what.
    pub(crate) dissenters: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Vote {
    Asked,
    /// It has this block there.
    Block(B256),
    /// It has none there.
    Nothing,
}

/// A height that peers were asked about.
#[derive(Debug)]
struct Ballot {
    number: u64,
    asked_at: Duration,
    votes: BTreeMap<PeerId, (String, Vote)>,
    dissenters: Vec<String>,
}

/// A question put to the peers.
#[derive(Debug)]
pub(crate) struct Agreement {
    naming: Naming,
    started: Duration,
    next_id: u64,
    first_asked: Option<Duration>,
    open: BTreeMap<u64, PeerId>,
    ballot: Option<Ballot>,
}

impl Agreement {
    pub(crate) fn new(now: Duration, naming: Naming) -> Self {
        Self {
            naming,
            started: now,
            next_id: FIRST_ID,
            first_asked: None,
            open: BTreeMap::new(),
            ballot: None,
        }
    }

    /// Whether it is about the newest block.
    pub(crate) fn names_latest(&self) -> bool {
        self.naming == Naming::Latest
    }

    /// What is gone on with although the peers do not agree: the newest block that is held of the chain of a pivot on record, if `latest` was
    /// meant. What they come to agree on is followed from there.
    pub(crate) fn or_held(&self, error: Error, held: Option<B256>) -> Result<B256, Error> {
        held.filter(|_| self.names_latest()).ok_or(error)
    }

    /// Whether an answer with this id is ours.
    pub(crate) fn takes(&self, id: u64) -> bool {
        self.open.contains_key(&id)
    }

    /// An answer to one of our questions: the header's number and hash, if there was one.
    pub(crate) fn on_answer(&mut self, id: u64, header: Option<(u64, B256)>) {
        let (Some(peer), Some(ballot)) = (self.open.remove(&id), &mut self.ballot) else { return };
        let vote = match header {
            Some((number, hash)) if number == ballot.number => Vote::Block(hash),
            _ => Vote::Nothing,
        };
        if let Some((_, asked)) = ballot.votes.get_mut(&peer) {
            *asked = vote;
        }
    }

    /// A peer left; what it said before stands.
    pub(crate) fn on_left(&mut self, peer: PeerId) {
        self.open.retain(|_, asked| *asked != peer);
        if let Some(ballot) = &mut self.ballot {
            ballot.votes.retain(|other, (_, vote)| *other != peer || *vote != Vote::Asked);
        }
    }

    /// What comes next. `voters` are all who are connected; `are_all_here` says that no other is expected in a moment.
    pub(crate) fn poll(
        &mut self,
        now: Duration,
        voters: &[Voter],
        are_all_here: bool,
    ) -> Result<Step, Error> {
        let Some(ballot) = &mut self.ballot else {
            let is_time = are_all_here || now >= self.started + GATHER;
            return if is_time && !voters.is_empty() { self.ask(now, voters) } else { Ok(Step::Wait) };
        };
        if now >= ballot.asked_at + ANSWER {
            ballot.votes.retain(|_, (_, vote)| *vote != Vote::Asked);
        }
        if ballot.votes.values().any(|(_, vote)| *vote == Vote::Asked) {
            return Ok(Step::Wait);
        }
        if ballot.votes.is_empty() {
            // Nobody answered: whoever is here now is asked.
            self.ballot = None;
            let first = self.first_asked.unwrap_or(now);
            return if now >= first + GIVE_UP {
                Err(Error::NobodyAnswers { seconds: GIVE_UP.as_secs() })
            } else {
                Ok(Step::Wait)
            };
        }
        ballot.count().map(Step::Agreed)
    }

    fn ask(&mut self, now: Duration, voters: &[Voter]) -> Result<Step, Error> {
        let (number, dissenters) = match self.naming {
            Naming::Number(number) => (number, Vec::new()),
            Naming::Latest | Naming::Hash(_) => head(voters)?,
        };
        let asked = voters.iter().filter(|voter| match self.naming {
            Naming::Latest => (number..=number.saturating_add(WINDOW)).contains(&voter.latest),
            Naming::Number(_) | Naming::Hash(_) => true,
        });
        let mut votes = BTreeMap::new();
        let mut questions = Vec::new();
        for voter in asked {
            self.next_id += 1;
            questions.push((self.next_id, voter.peer));
            votes.insert(voter.peer, (voter.name.clone(), Vote::Asked));
        }
        self.open = questions.iter().copied().collect();
        self.first_asked.get_or_insert(now);
        self.ballot = Some(Ballot { number, asked_at: now, votes, dissenters });
        Ok(Step::Ask { number, questions })
    }
}

impl Ballot {
    fn count(&self) -> Result<Agreed, Error> {
        let number = self.number;
        let mut counts: BTreeMap<B256, usize> = BTreeMap::new();
        for (_, vote) in self.votes.values() {
            if let Vote::Block(hash) = vote {
                *counts.entry(*hash).or_default() += 1;
            }
        }
        let all: usize = counts.values().sum();
        let Some((hash, votes)) = counts.into_iter().max_by_key(|(_, votes)| *votes) else {
            return Err(Error::NoSuchBlock { number });
        };
        let answer = |(name, vote): &(String, Vote)| match vote {
            Vote::Block(hash) => Some(Answer { peer: name.clone(), number, hash: Some(*hash) }),
            Vote::Asked | Vote::Nothing => None,
        };
        let answers = self.votes.values().filter_map(answer);
        if 2 * votes <= all {
            return Err(Error::PeersDisagree { answers: answers.collect() });
        }
        let others = answers.filter(|answer| answer.hash != Some(hash)).map(|answer| answer.to_string());
        Ok(Agreed {
            number,
            hash,
            votes,
            dissenters: self.dissenters.iter().cloned().chain(others).collect(),
        })
    }
}

/// The newest block that all of the largest group have, and who is ahead of that group.
fn head(voters: &[Voter]) -> Result<(u64, Vec<String>), Error> {
    let mut heads: Vec<&Voter> = voters.iter().filter(|voter| voter.latest > 0).collect();
    heads.sort_by_key(|voter| voter.latest);
    let group = |lowest: u64, from: &[&Voter]| {
        let last = lowest.saturating_add(WINDOW);
        from.iter().filter(|voter| (lowest..=last).contains(&voter.latest)).count()
    };
    let largest = heads.iter().map(|voter| (group(voter.latest, &heads), voter.latest)).max();
    let Some((size, lowest)) = largest else {
        return Err(Error::OnlyGenesis { peers: voters.len() });
    };
    let highest = lowest.saturating_add(WINDOW);
    let ahead: Vec<&Voter> = heads.iter().copied().filter(|voter| voter.latest > highest).collect();
    let outside: Vec<&Voter> =
        heads.iter().copied().filter(|voter| !(lowest..=highest).contains(&voter.latest)).collect();
    let rival = outside.iter().map(|voter| group(voter.latest, &outside)).max().unwrap_or(0);
    let answer = |voter: &&Voter| Answer { peer: voter.name.clone(), number: voter.latest, hash: None };
    if rival >= size || ahead.len() >= size {
        return Err(Error::PeersDisagree { answers: heads.iter().map(answer).collect() });
    }
    Ok((lowest, ahead.iter().map(|voter| answer(voter).to_string()).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn voters(heads: &[u64]) -> Vec<Voter> {
        let voter = |(at, latest): (usize, &u64)| Voter {
            peer: PeerId(at as u64),
            name: format!("p{at}"),
            latest: *latest,
        };
        heads.iter().enumerate().map(voter).collect()
    }

    fn block(number: u64, fork: u8) -> Option<(u64, B256)> {
        Some((number, B256::with_last_byte(fork)))
    }

    /// Asks all, has each asked peer answer with a block of its fork, and says what comes of it.
    fn vote(naming: Naming, voters: &[Voter], forks: &[u8]) -> Result<Agreed, Error> {
        let mut agreement = Agreement::new(SECOND, naming);
        let Step::Ask { number, questions } = agreement.poll(SECOND, voters, true)? else {
            panic!("nobody is asked")
        };
        for (id, peer) in questions {
            assert!(agreement.takes(id));
            agreement.on_answer(id, block(number, forks[peer.0 as usize]));
        }
        match agreement.poll(SECOND, voters, true)? {
            Step::Agreed(agreed) => Ok(agreed),
            other => panic!("{other:?}"),
        }
    }

    fn latest(heads: &[u64]) -> Result<Agreed, Error> {
        vote(Naming::Latest, &voters(heads), &vec![1; heads.len()])
    }

    #[test]
    fn peer_that_syncs_itself_does_not_make_genesis_the_target() {
        assert_eq!(latest(&[0, 1_000]).unwrap().number, 1_000);
        assert_eq!(latest(&[0, 0, 0, 1_000]).unwrap().number, 1_000);
    }

    #[test]
    fn genesis_is_never_the_latest_block() {
        assert!(matches!(latest(&[0, 0]), Err(Error::OnlyGenesis { peers: 2 })));
        // Whoever names it by its number has it.
        assert_eq!(vote(Naming::Number(0), &voters(&[0, 0]), &[1, 1]).unwrap().number, 0);
    }

    #[test]
    fn one_liar_does_not_choose_an_old_block_nor_one_that_is_not_there() {
        let agreed = latest(&[1_001, 10, 1_000, 1_003]).unwrap();
        assert_eq!((agreed.number, agreed.votes), (1_000, 3), "what all of the group have");
        let agreed = latest(&[1_001, 1_000, 5_000_000]).unwrap();
        assert_eq!((agreed.number, agreed.votes), (1_000, 2));
        assert_eq!(agreed.dissenters, ["p2 is at block 5000000"]);
    }

    #[test]
    fn peers_that_are_apart_leave_no_majority_and_are_named() {
        for heads in [&[400, 1_000][..], &[400, 401, 1_000, 1_001], &[10, 11, 1_000, 2_000]] {
            let Err(error @ Error::PeersDisagree { .. }) = latest(heads) else { panic!("{heads:?}") };
            let text = error.to_string();
            for (at, head) in heads.iter().enumerate() {
                assert!(text.contains(&format!("p{at} is at block {head}")), "{text}");
            }
        }
        assert_eq!(latest(&[10, 500, 1_000, 1_001]).unwrap().number, 1_000, "those behind are not together");
    }

    #[test]
    fn peers_that_are_apart_end_nothing_where_a_pivot_is_on_record() {
        let held = B256::with_last_byte(7);
        for heads in [&[400, 1_000][..], &[0, 0]] {
            let error = || latest(heads).expect_err("they are apart, or have nothing");
            let agreement = Agreement::new(SECOND, Naming::Latest);
            assert_eq!(agreement.or_held(error(), Some(held)).ok(), Some(held));
            assert!(agreement.or_held(error(), None).is_err(), "nothing is on record");
            // Whoever names a height means that one.
            assert!(Agreement::new(SECOND, Naming::Number(7)).or_held(error(), Some(held)).is_err());
        }
    }

    #[test]
    fn one_different_answer_is_outvoted_and_named() {
        let agreed = vote(Naming::Number(7), &voters(&[9, 9, 9]), &[1, 2, 1]).unwrap();
        assert_eq!((agreed.number, agreed.hash, agreed.votes), (7, B256::with_last_byte(1), 2));
        let said = format!("p1 has {} at block 7", B256::with_last_byte(2));
        assert_eq!(agreed.dissenters, [said.as_str()]);
        let agreed = vote(Naming::Latest, &voters(&[9, 10, 9]), &[1, 2, 1]).unwrap();
        assert_eq!((agreed.number, agreed.votes, agreed.dissenters.len()), (9, 2, 1));
    }

    #[test]
    fn two_that_differ_are_both_named_and_one_alone_is_believed() {
        let Err(error @ Error::PeersDisagree { .. }) = vote(Naming::Number(7), &voters(&[9, 9]), &[1, 2])
        else {
            panic!("one of two was believed")
        };
        let text = error.to_string();
        assert!(
            ["p0", "p1", &B256::with_last_byte(1).to_string()].iter().all(|word| text.contains(word)),
            "{text}"
        );
        assert_eq!(latest(&[9]).unwrap().votes, 1);
    }

    #[test]
    fn nobody_is_waited_for_once_all_are_here() {
        let mut agreement = Agreement::new(SECOND, Naming::Latest);
        assert!(matches!(agreement.poll(SECOND, &voters(&[9]), false), Ok(Step::Wait)));
        let step = agreement.poll(SECOND, &voters(&[9]), true).unwrap();
        assert!(matches!(step, Step::Ask { number: 9, .. }), "{step:?}");
        let mut agreement = Agreement::new(SECOND, Naming::Latest);
        let step = agreement.poll(SECOND + GATHER, &voters(&[9]), false).unwrap();
        assert!(matches!(step, Step::Ask { .. }), "some are missing, and the time is over: {step:?}");
    }

    #[test]
    fn silent_and_leaving_peers_are_not_waited_for_long() {
        let mut agreement = Agreement::new(SECOND, Naming::Number(7));
        let Ok(Step::Ask { questions, .. }) = agreement.poll(SECOND, &voters(&[9, 9, 9]), true) else {
            panic!("nobody is asked")
        };
        agreement.on_answer(questions[0].0, block(7, 1));
        agreement.on_left(PeerId(1));
        assert!(!agreement.takes(questions[1].0));
        assert!(matches!(agreement.poll(2 * SECOND, &[], true), Ok(Step::Wait)), "the third may answer");
        let step = agreement.poll(SECOND + ANSWER, &[], true).unwrap();
        assert!(matches!(step, Step::Agreed(Agreed { votes: 1, .. })), "{step:?}");
    }

    #[test]
    fn block_that_nobody_has_and_peers_that_say_nothing_have_their_errors() {
        let mut agreement = Agreement::new(SECOND, Naming::Number(7));
        let Ok(Step::Ask { questions, .. }) = agreement.poll(SECOND, &voters(&[3]), true) else {
            panic!("nobody is asked")
        };
        // A header of another number is none.
        agreement.on_answer(questions[0].0, block(3, 1));
        assert!(matches!(agreement.poll(SECOND, &voters(&[3]), true), Err(Error::NoSuchBlock { number: 7 })));

        let mut agreement = Agreement::new(SECOND, Naming::Number(7));
        let ended = (1..100).find_map(|second| agreement.poll(second * SECOND, &voters(&[9]), true).err());
        assert!(matches!(ended, Some(Error::NobodyAnswers { .. })), "{ended:?}");
    }
}
