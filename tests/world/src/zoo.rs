//! The zoo: one peer of each kind that a node meets, and how it behaves.
//!
//! A kind decides whether, when and what its peer answers; the lies themselves are in `tamper`. A peer never learns what
//! the machine under test makes of it.

use std::{fmt, time::Duration};

use snapsync_keccak::keccak256;

use crate::{
    answer::{Library, Payload, Question},
    chain::{Header, Line},
    chance::Chance,
    net::Link,
    shelf::Shelf,
    states::States,
    tamper::tamper,
};

/// What sort of peer it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Answers what it is asked.
    Honest,
    /// Honest, but sends far less than it is asked for.
    Capped,
    /// Holds an older root only, and fewer blocks.
    Stale,
    /// Never answers.
    Silent,
    /// Answers truthfully, sometimes long after anybody waits.
    SlowLoris,
    /// Changes a value, a key or the order of rows.
    CorruptValue,
    /// Sends a proof that does not hold.
    CorruptProof,
    /// Leaves the proof out.
    NoProof,
    /// Sends several times what it was asked for.
    Bloated,
    /// Sends one item an answer.
    Starving,
    /// Leaves rows, or whole sets, out.
    OmitsEntries,
    /// Answers under an id that nobody asked for.
    WrongId,
    /// Goes away with requests open, and may come back.
    LeavesMidway,
    /// Sends bytes that are another code.
    WrongCode,
    /// Sends receipts of another block.
    WrongReceipts,
    /// Sends the body of another block.
    WrongBody,
    /// Sends a header that does not link.
    ForgedHeader,
    /// Cuts the tail and claims that nothing follows.
    TruncatedTailClaimedComplete,
    /// Sends bytes that are no message.
    Garbled,
    /// Honest, but imports blocks while it reads: some of its answers mix two states.
    Racing,
    /// Honest, without the bodies and receipts of old blocks, which it leaves out of its answers.
    Pruned,
    /// Honest, on another fork: other blocks at the same heights, another state.
    Forked,
    /// Honest, and serves no state.
    NoSnap,
    /// Sends receipts one at a time, as if each block had more of them.
    Dripping,
}

impl Kind {
    /// Every kind, honest first.
    pub const ALL: [Self; 24] = [
        Self::Honest,
        Self::Capped,
        Self::Stale,
        Self::Silent,
        Self::SlowLoris,
        Self::CorruptValue,
        Self::CorruptProof,
        Self::NoProof,
        Self::Bloated,
        Self::Starving,
        Self::OmitsEntries,
        Self::WrongId,
        Self::LeavesMidway,
        Self::WrongCode,
        Self::WrongReceipts,
        Self::WrongBody,
        Self::ForgedHeader,
        Self::TruncatedTailClaimedComplete,
        Self::Garbled,
        Self::Racing,
        Self::Pruned,
        Self::Forked,
        Self::NoSnap,
        Self::Dripping,
    ];

    /// How many kinds the stories of all seeds draw from; the others come by a draw of their own, so that a seed's first cast
    /// stays what it was.
    pub(crate) const FIRST_CAST: usize = 19;

    /// Its name, as printed.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Honest => "honest",
            Self::Capped => "capped",
            Self::Stale => "stale",
            Self::Silent => "silent",
            Self::SlowLoris => "slow_loris",
            Self::CorruptValue => "corrupt_value",
            Self::CorruptProof => "corrupt_proof",
            Self::NoProof => "no_proof",
            Self::Bloated => "bloated",
            Self::Starving => "starving",
            Self::OmitsEntries => "omits_entries",
            Self::WrongId => "wrong_id",
            Self::LeavesMidway => "leaves_midway",
            Self::WrongCode => "wrong_code",
            Self::WrongReceipts => "wrong_receipts",
            Self::WrongBody => "wrong_body",
            Self::ForgedHeader => "forged_header",
            Self::TruncatedTailClaimedComplete => "truncated_tail_claimed_complete",
            Self::Garbled => "garbled",
            Self::Racing => "racing",
            Self::Pruned => "pruned",
            Self::Forked => "forked",
            Self::NoSnap => "no_snap",
            Self::Dripping => "dripping",
        }
    }

    /// Whether all that such a peer says is true, so that no outcome may blame it for a lie.
    #[must_use]
    pub fn is_truthful(self) -> bool {
        matches!(
            self,
            Self::Honest
                | Self::Capped
                | Self::Stale
                | Self::SlowLoris
                | Self::Starving
                | Self::LeavesMidway
                | Self::Silent
                | Self::Racing
                | Self::Pruned
                | Self::Forked
                | Self::NoSnap
        )
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A peer of the zoo.
#[derive(Clone, Debug)]
pub struct Animal {
    /// What it is.
    pub kind: Kind,
    /// Its line.
    pub link: Link,
    /// How often in a thousand a liar lies: some lie always, some are hard to catch.
    pub lies_per_mille: u64,
    /// After how many answers a leaver goes.
    pub patience: u64,
    /// Questions it was sent.
    pub asked: u64,
    /// The chain that it is on.
    pub chain: usize,
    /// How long after each move of the chain, or of the state, it is on the new one; never, if it stays where it is.
    pub follows: Option<Duration>,
    /// Blocks that it holds.
    pub height: u64,
    /// The first block whose body and receipts it has.
    pub first: u64,
    /// The last block that it shares with the target's chain.
    pub shared: u64,
    /// Whether it has lost the target's root.
    pub lost_root: bool,
    /// How many blocks before the newest it has the states of.
    pub roots_kept: usize,
    /// The first block from the target on whose state it has.
    pub oldest_root: usize,
    /// The last one.
    pub newest_root: usize,
    /// After how many bytes it cuts inside a block, if it speaks eth/70.
    pub cuts_at: Option<u64>,
    /// The access lists that it has.
    pub shelf: Shelf,
}

/// What a peer does with a question.
#[derive(Clone, Debug)]
pub enum Reply {
    /// It answers, after some time of its own.
    Answer {
        /// What it says.
        payload: Payload,
        /// Before it goes onto the line.
        thinks: Duration,
    },
    /// It answers under another id, and the question stays open.
    Astray {
        /// What it says.
        payload: Payload,
    },
    /// It does nothing.
    Silence,
    /// It goes; after this time it is back, if ever.
    Leave {
        /// Until it returns.
        back_after: Option<Duration>,
    },
}

impl Animal {
    /// A peer of a kind on a line.
    #[must_use]
    pub fn new(kind: Kind, link: Link, height: u64, chance: &mut Chance) -> Self {
        let lies_per_mille = [1000, 1000, 400, 100][chance.index(4)];
        let patience = chance.between(1, 12);
        let height = if kind == Kind::Stale { height.saturating_sub(height / 3 + 1) } else { height };
        let first = if kind == Kind::Pruned { chance.between(1, height.max(1)) } else { 0 };
        let shared = if kind == Kind::Forked { chance.below(height.max(1)) } else { height };
        // Races are the exception: a server that breaks every fourth answer is under a load that nobody has seen.
        let lies_per_mille = if kind == Kind::Racing { chance.between(5, 100) } else { lies_per_mille };
        Self {
            kind,
            link,
            lies_per_mille,
            patience,
            asked: 0,
            chain: 0,
            follows: None,
            height,
            first,
            shared,
            lost_root: false,
            roots_kept: usize::MAX,
            oldest_root: 0,
            newest_root: usize::MAX,
            cuts_at: cuts_at(kind, patience),
            shelf: Shelf::NONE,
        }
    }

    /// What it does with a question.
    pub fn reply(&mut self, states: &States, line: &Line, question: &Question, chance: &mut Chance) -> Reply {
        self.asked += 1;
        let cap = match self.kind {
            Kind::Capped => 24 << 10,
            Kind::Starving => 1,
            _ => 2 << 20,
        };
        let library = Library { states, line, chain: self.chain, cap, cuts_at: self.cuts_at };
        let honest = if self.lacks(states, line, question) {
            Payload::nothing(question)
        } else {
            self.tell(states, question, library.answer(question))
        };
        let thinks = Duration::from_millis(chance.below(20));
        match self.kind {
            Kind::Silent => Reply::Silence,
            Kind::SlowLoris => {
                let thinks = if chance.hits(500) { chance.between(1_000, 90_000) } else { 10 };
                Reply::Answer { payload: honest, thinks: Duration::from_millis(thinks) }
            }
            Kind::LeavesMidway if self.asked.is_multiple_of(self.patience) => {
                let back_after = chance.hits(800).then(|| Duration::from_millis(chance.between(50, 20_000)));
                Reply::Leave { back_after }
            }
            Kind::WrongId if chance.hits(self.lies_per_mille) => Reply::Astray { payload: honest },
            kind if (kind == Kind::Racing || !kind.is_truthful()) && chance.hits(self.lies_per_mille) => {
                Reply::Answer { payload: tamper(kind, question, honest, &library, chance), thinks }
            }
            _ => Reply::Answer { payload: honest, thinks },
        }
    }

    /// It has the state of this block from now on, and those of the last few before.
    pub(crate) fn import(&mut self, block: usize) {
        self.newest_root = self.newest_root.max(block);
        self.oldest_root = self.oldest_root.max(block.saturating_sub(self.roots_kept));
    }

    /// It is on another chain from now on.
    pub(crate) fn follow(&mut self, line: &Line, chain: usize) {
        self.chain = chain;
        self.height = line.head(chain).number;
        self.shared = self.height;
    }

    /// Whether it truthfully has nothing to say.
    fn lacks(&self, states: &States, line: &Line, question: &Question) -> bool {
        match question {
            Question::Accounts { root, .. }
            | Question::Storages { root, .. }
            | Question::Nodes { root, .. } => {
                matches!(self.kind, Kind::Stale | Kind::Forked | Kind::NoSnap)
                    || self.lost_root
                    || !states.has(root, self.oldest_root..=self.newest_root)
            }
            Question::Codes { .. } => matches!(self.kind, Kind::NoSnap),
            Question::Lists { .. } => !self.shelf.is_open(),
            // Of a chain that it has left it knows the headers still, also those above its new head.
            Question::Ancestors { hash, .. } => line
                .of(hash)
                .is_none_or(|header| self.chain == 0 && header.number > self.height.min(self.shared)),
            Question::Headers { from, .. } => *from > self.height,
            Question::Bodies { blocks } | Question::Receipts { blocks, .. } => {
                let first = blocks.first().and_then(|first| line.of(first));
                first.is_none_or(|first| first.number > self.height)
            }
        }
    }

    /// The truth as this peer has it: without the blocks that it pruned, which leave no gap, and with its own fork's blocks.
    fn tell(&self, states: &States, question: &Question, answer: Payload) -> Payload {
        match answer {
            Payload::Lists(lists) => {
                let Question::Lists { blocks, .. } = question else { return Payload::Lists(lists) };
                Payload::Lists(self.shelf.tell(states, self.newest_root, blocks, lists))
            }
            Payload::Blocks(mut blocks) => {
                blocks.retain(|block| block.number >= self.first && block.number <= self.shared);
                Payload::Blocks(blocks)
            }
            Payload::Cut { mut blocks, part } => {
                let has = |number: u64| number >= self.first && number <= self.shared;
                blocks.retain(|block| has(block.number));
                if has(part.number) { Payload::Cut { blocks, part } } else { Payload::Blocks(blocks) }
            }
            Payload::Headers(mut headers) if matches!(question, Question::Headers { .. }) => {
                headers.iter_mut().for_each(|header| self.fork(header));
                Payload::Headers(headers)
            }
            answer => answer,
        }
    }

    /// Makes a header that of this peer's fork, if it lies on it.
    fn fork(&self, header: &mut Header) {
        let of = |number: u64| keccak256(&[&b"fork"[..], &number.to_be_bytes()].concat());
        if header.number > self.shared {
            header.hash = of(header.number);
            header.parent =
                if header.number == self.shared + 1 { header.parent } else { of(header.number - 1) };
        }
    }
}

/// Half of the peers speak eth/70 and end an answer inside a block: those that send much.
fn cuts_at(kind: Kind, patience: u64) -> Option<u64> {
    let is_small = matches!(kind, Kind::Capped | Kind::Starving);
    (!is_small && patience.is_multiple_of(2)).then(|| (256 << 10) << (patience / 2 % 4))
}
