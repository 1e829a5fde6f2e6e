//! A story: everything that one seed decides before the first message is sent.
//!
//! Sizes, peers, lines, crashes and twists are drawn here, so that a failing seed can be described in a few lines. What
//! happens then is the world's business.

use std::{collections::BTreeSet, time::Duration};

use snapsync_sync::{History, Phase};

use crate::{
    chain::{Flavour, Size},
    chance::Chance,
    speed::Speed,
    zoo::Kind,
};

/// Something that a story has besides bad peers and crashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Twist {
    /// Nothing.
    None,
    /// For a while there is no peer at all.
    Drought {
        /// From when.
        at: Duration,
        /// For how long.
        lasts: Duration,
    },
    /// No peer has the target's root any more.
    RootLost {
        /// From when.
        at: Duration,
    },
    /// No peer has a state for a while, and the chain stands still: heads are named, and there is none but the first.
    StateGone {
        /// From when.
        at: Duration,
        /// For how long.
        lasts: Duration,
    },
    /// An account row on the disk decays just before the tries are derived.
    AccountRot,
    /// A slot of a storage that came in pieces decays.
    SlotRot,
    /// The operator's checkpoint is on another chain.
    WrongCheckpoint,
    /// The operator's genesis is another one.
    WrongGenesis,
    /// The pivot moves, to later blocks that change nothing.
    PivotMoves {
        /// From when.
        first: Duration,
        /// How long after the one before.
        every: Duration,
        /// How often.
        count: u32,
        /// Who has the states of the blocks before.
        older: Older,
    },
    /// The pivot moves, to later blocks each of which changes the state.
    StateMoves {
        /// From when.
        first: Duration,
        /// How long after the one before.
        every: Duration,
        /// How often.
        count: u32,
        /// Who has the states of the blocks before.
        older: Older,
        /// How many accounts in a thousand a block changes.
        touched_per_mille: u64,
        /// When else.
        also: Also,
        /// Which of these blocks have access lists.
        lists: Lists,
    },
    /// The chain moves while the sync runs: heads above, and heads beside. Some peers follow late, some never.
    Moves {
        /// When the first head is named.
        at: Duration,
        /// Between two of them.
        every: Duration,
        /// How many.
        count: u64,
    },
    /// A contract's storage root names a node that no trie has; liars prove it.
    Poison,
}

/// When a pivot moves beside the times that were drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Also {
    /// Never.
    Never,
    /// When a part of a storage has become durable, and others are missing.
    AtParts,
    /// It moves once to the last of so many blocks, and from there, in this phase, to another branch, which leaves all of them.
    Leaves {
        /// How many blocks are left.
        depth: u64,
        /// When: in [`Phase::Headers`] there is no target yet, and the first move is to the other branch.
        phase: Phase,
    },
}

/// Which blocks above the named one have access lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lists {
    /// None.
    None,
    /// The nth above it and all later ones.
    From {
        /// One for all of them.
        nth: u64,
        /// Who has them.
        kept: Kept,
    },
}

/// Who has access lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// Nobody speaks of them.
    Nowhere,
    /// The first peer has all of them; others have those of the last few blocks, and some lack some of these.
    ByTheFirst,
    /// The first peer has all of them but for those of blocks that the chain has left, which nobody has.
    OfTheChain,
    /// As others do, the first one, too.
    InParts,
}

/// Who has the states of blocks from which the pivot has moved on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Older {
    /// The first peer has all of them, the others the last few.
    OfOne,
    /// Nobody has one for long: what they claimed, and nobody fetched in time, is asked again.
    OfNobody,
}

impl Twist {
    /// Whether nobody has the states of older blocks for long.
    fn loses_states(self) -> bool {
        matches!(
            self,
            Self::PivotMoves { older: Older::OfNobody, .. } | Self::StateMoves { older: Older::OfNobody, .. }
        )
    }
}

/// Which version of snap peers speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Snap {
    /// snap/1: they give trie nodes.
    One,
    /// snap/2: they do not.
    Two,
    /// The first peer, and every third one, speaks snap/1.
    Both,
}

impl Snap {
    fn draw(seed: u64, twist: Twist) -> Self {
        if !matches!(twist, Twist::StateMoves { .. }) {
            return Self::One;
        }
        [Self::One, Self::Two, Self::Both][Chance::new(seed ^ 0x0005_7a92).index(3)]
    }

    /// The version of a peer.
    #[must_use]
    pub fn of(self, nth: usize) -> u32 {
        match self {
            Self::One => 1,
            Self::Two => 2,
            Self::Both => {
                if nth.is_multiple_of(3) {
                    1
                } else {
                    2
                }
            }
        }
    }
}

/// How a story must end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// All rows are held, and the derived root is the header's.
    Complete,
    /// It cannot, and says why.
    Fatal(&'static str),
}

/// One story.
#[derive(Clone, Debug)]
pub struct Story {
    /// Its number.
    pub seed: u64,
    /// The truth's size.
    pub size: Size,
    /// The peers; the first is on a steady line and always comes back, and where the seed draws them it is honest.
    pub kinds: Vec<Kind>,
    /// Commits at which the power goes.
    pub crashes: BTreeSet<u64>,
    /// Bytes that answers may take.
    pub budget_bytes: u64,
    /// Time that a group commit takes, beside that for its bytes.
    pub commit: Duration,
    /// How fast it proves and writes.
    pub speed: Speed,
    /// Which bodies and receipts are wanted.
    pub history: History,
    /// Which version of snap peers speak.
    pub snap: Snap,
    /// What else happens.
    pub twist: Twist,
    /// When the machine sleeps, and for how long: its clock jumps.
    pub sleeps: Vec<(Duration, Duration)>,
    /// Virtual time in which it must have ended.
    pub limit: Duration,
}

/// How many bad peers a story has at most.
const LIARS_MAX: u64 = 12;

impl Story {
    /// The story of a seed.
    #[must_use]
    pub fn draw(seed: u64) -> Self {
        let mut chance = Chance::new(seed ^ 0x5eed_5eed);
        let twist = draw_twist(seed, &mut chance);
        let real = matches!(twist, Twist::Poison | Twist::StateMoves { .. }) || seed % 3 == 1;
        let flavour = if real { Flavour::Real } else { Flavour::Virtual };
        let mut size = draw_size(flavour, twist, &mut chance);
        if matches!(twist, Twist::PivotMoves { older: Older::OfNobody, .. }) {
            size.contracts_per_mille = size.contracts_per_mille.max(50);
            size.row_weight = if flavour == Flavour::Virtual { 30_000 } else { 0 };
        }
        let crashes = match twist {
            Twist::None | Twist::PivotMoves { .. } | Twist::StateMoves { .. } | Twist::Moves { .. } => {
                draw_crashes(&mut chance)
            }
            _ => draw_crashes(&mut Chance::new(seed ^ 0x0c4a_54e5)),
        };
        let history = match chance.below(4) {
            0 => History::None,
            1 => History::From(size.blocks / 2),
            _ => History::All,
        };
        let mut speed = Speed::draw(seed);
        let sleeps = draw_sleeps(twist, &mut Chance::new(seed ^ 0x051e_e950));
        if let Twist::PivotMoves { .. } | Twist::StateMoves { .. } | Twist::Moves { .. } = twist {
            speed.draw_derivations(seed);
        }
        let hours = if speed.is_slow() { 48 } else { 6 };
        let limit = Duration::from_secs(if twist == Twist::Poison { 600 } else { hours * 3600 });
        let slept: Duration = sleeps.iter().map(|(_, lasts)| *lasts).sum();
        Self {
            seed,
            kinds: draw_kinds(seed, twist, flavour, &mut chance),
            crashes,
            budget_bytes: [8 << 20, 32 << 20, 128 << 20][chance.index(3)],
            commit: Duration::from_millis(chance.between(1, 400)),
            history,
            snap: Snap::draw(seed, twist),
            twist,
            sleeps,
            speed,
            limit: limit + slept,
            size,
        }
    }

    /// How it must end.
    #[must_use]
    pub fn ending(&self) -> Ending {
        match self.twist {
            _ if self.kinds.iter().all(|kind| *kind == Kind::Pruned) => Ending::Fatal("history_unavailable"),
            Twist::None
            | Twist::Drought { .. }
            | Twist::StateGone { .. }
            | Twist::PivotMoves { .. }
            | Twist::StateMoves { .. }
            | Twist::Moves { .. } => Ending::Complete,
            Twist::RootLost { .. } | Twist::Poison => Ending::Fatal("unavailable"),
            Twist::AccountRot => Ending::Fatal("root_mismatch"),
            Twist::SlotRot => Ending::Fatal("storage_root_mismatch"),
            Twist::WrongCheckpoint => Ending::Fatal("checkpoint_mismatch"),
            Twist::WrongGenesis => Ending::Fatal("genesis_mismatch"),
        }
    }
}

fn draw_size(flavour: Flavour, twist: Twist, chance: &mut Chance) -> Size {
    let state_moves = matches!(twist, Twist::StateMoves { .. });
    let (accounts, huge_slots, row_weight) = match flavour {
        Flavour::Real if state_moves => (chance.between(60, 400), chance.between(50, 1_200), 0),
        Flavour::Real => (chance.between(100, 600), chance.between(0, 1) * chance.between(50, 900), 0),
        Flavour::Virtual => {
            let weight = [110, 2_000, 30_000][chance.index(3)];
            (chance.between(2, 5_000), chance.between(0, 2) * chance.between(10, 4_000), weight)
        }
    };
    Size {
        flavour,
        accounts,
        contracts_per_mille: chance.between(0, 400),
        huge_slots,
        row_weight,
        // The state is what such a story is about.
        blocks: chance.between(1, if state_moves { 300 } else { 4_000 }),
    }
}

/// Half of the stories have some, early ones mostly: a small state takes few commits.
fn draw_crashes(chance: &mut Chance) -> BTreeSet<u64> {
    if !chance.hits(500) {
        return BTreeSet::new();
    }
    let count = chance.between(1, 4);
    let up_to = [5, 20, 60][chance.index(3)];
    (0..count).map(|_| chance.between(1, up_to)).collect()
}

fn draw_twist(seed: u64, chance: &mut Chance) -> Twist {
    let at = Duration::from_millis(chance.between(0, 8_000));
    match seed % 50 {
        7 | 19 => Twist::Drought { at, lasts: Duration::from_secs(chance.between(30, 900)) },
        11 => Twist::RootLost { at },
        37 => Twist::StateGone { at: at / 2, lasts: Duration::from_secs(chance.between(30, 900)) },
        23 => Twist::AccountRot,
        31 => Twist::SlotRot,
        41 => Twist::WrongCheckpoint,
        47 => Twist::WrongGenesis,
        5 | 17 => Twist::PivotMoves {
            first: at / 2,
            every: Duration::from_millis(chance.between(50, 3_000)),
            count: chance.between(1, 6) as u32,
            older: Older::OfOne,
        },
        // Early and fast, so that not all is answered in time.
        35 | 43 => Twist::PivotMoves {
            first: at / 4,
            every: Duration::from_millis(chance.between(50, 1_000)),
            count: chance.between(2, 6) as u32,
            older: Older::OfNobody,
        },
        15 | 21 | 26 | 39 | 46 | 49 => Twist::StateMoves {
            first: at / 2,
            every: Duration::from_millis(chance.between(20, 1_200)),
            count: chance.between(1, 8) as u32,
            older: if seed % 50 == 49 { Older::OfNobody } else { Older::OfOne },
            touched_per_mille: [0, 10, 60, 250][chance.index(4)],
            also: if chance.hits(500) { Also::AtParts } else { Also::Never },
            lists: draw_lists(&mut Chance::new(seed ^ 0x7928_7928)),
        },
        1 | 13 | 29 | 33 => Twist::Poison,
        3 | 10 | 14 | 27 | 34 | 45 => Twist::Moves {
            at,
            every: Duration::from_millis(chance.between(50, 6_000)),
            count: chance.between(1, 5),
        },
        _ => Twist::None,
    }
}

/// In some stories that must complete the machine sleeps once or twice, for minutes or hours. Drawn apart from all else.
fn draw_sleeps(twist: Twist, chance: &mut Chance) -> Vec<(Duration, Duration)> {
    let may_sleep = matches!(
        twist,
        Twist::None | Twist::PivotMoves { .. } | Twist::StateMoves { .. } | Twist::Moves { .. }
    );
    if !may_sleep || !chance.hits(120) {
        return Vec::new();
    }
    let sleep = |chance: &mut Chance| {
        let lasts = if chance.hits(500) { chance.between(60, 900) } else { chance.between(3_600, 14_400) };
        (Duration::from_millis(chance.between(100, 8_000)), Duration::from_secs(lasts))
    };
    (0..chance.between(1, 2)).map(|_| sleep(chance)).collect()
}

/// Of three stories whose state changes one has no lists, and one has them from some block on: the fork is in the middle.
fn draw_lists(chance: &mut Chance) -> Lists {
    let kept = match chance.below(6) {
        0 => Kept::Nowhere,
        1 | 2 => Kept::InParts,
        _ => Kept::ByTheFirst,
    };
    match chance.below(3) {
        0 => Lists::None,
        1 => Lists::From { nth: 1, kept },
        _ => Lists::From { nth: chance.between(1, 8), kept },
    }
}

fn draw_kinds(seed: u64, twist: Twist, flavour: Flavour, chance: &mut Chance) -> Vec<Kind> {
    let mut kinds = vec![Kind::Honest];
    if twist == Twist::Poison {
        kinds.extend([Kind::CorruptProof; 3]);
    }
    // The real prover names lies more finely: it gets more of them.
    if flavour == Flavour::Real {
        kinds.extend([Kind::CorruptValue, Kind::CorruptValue, Kind::CorruptValue, Kind::CorruptProof]);
    }
    for _ in 0..chance.below(3) {
        kinds.push(Kind::Honest);
    }
    for _ in 0..chance.between(0, LIARS_MAX) {
        kinds.push(Kind::ALL[1 + chance.index(Kind::FIRST_CAST - 1)]);
    }
    let mut later = Chance::new(seed ^ 0x1a7e_ca57);
    for _ in 0..later.below(4) {
        kinds.push(Kind::ALL[Kind::FIRST_CAST + later.index(Kind::ALL.len() - Kind::FIRST_CAST)]);
    }
    if twist.loses_states() || matches!(twist, Twist::RootLost { .. } | Twist::StateGone { .. }) {
        // Whoever has just come back has not refused yet: while somebody comes and goes, there is hope, and everything is asked.
        kinds.retain(|kind| *kind != Kind::LeavesMidway);
    }
    kinds
}
