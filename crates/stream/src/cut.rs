//! Cutting work into requests, and what is left of a request after its answer.

use alloy_primitives::B256;
use snapsync_peers::{Ask, Noun};
use snapsync_sync::{BlockRange, HashRange, Head, HeaderTop, Job, Missing};

use crate::{Answered, Config, HeaderStart, What, walk};

/// What is left after an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Rest {
    /// Nothing.
    Nothing,
    /// This.
    Some(What),
    /// As much as before: the answer gave nothing.
    All,
}

/// What a job asks for, before it is cut.
pub(crate) fn of_job(job: Job) -> Vec<What> {
    vec![match job {
        Job::Accounts { target, root, range } => What::Accounts { target, root, range },
        Job::Renewal { target, root, accounts } => {
            let renewal = |account| What::Renewal { target, root, account };
            return accounts.into_iter().map(renewal).collect();
        }
        Job::Storages { target, root, claims } => What::Storages { target, root, claims },
        Job::StorageRange { target, root, claim, range } => What::StorageRange { target, root, claim, range },
        Job::Codes { hashes } => What::Codes { hashes },
        Job::HealAccounts { target, root } => What::Nodes { target, root, nodes: vec![walk::of_state(root)] },
        Job::HealStorages { target, root, claims } => {
            What::Nodes { target, root, nodes: claims.iter().map(walk::of_storage).collect() }
        }
        Job::Lists { blocks } => What::Lists { blocks },
        Job::ListsAbove { blocks } => What::ListsAbove { blocks },
        Job::LeftList { block } => What::LeftList { block },
        Job::Headers { top: HeaderTop::Named { hash }, .. } => {
            What::Headers { start: HeaderStart::Hash(hash), count: 1 }
        }
        Job::Headers { top: HeaderTop::Linked { number, .. }, floor } => {
            What::Headers { start: HeaderStart::Number(number), count: number - floor + 1 }
        }
        Job::Bodies { blocks } => What::Bodies { blocks },
        Job::Receipts { blocks } => What::Receipts { blocks, first_receipt: 0 },
    }]
}

impl What {
    /// What it needs of a peer.
    pub fn ask(&self) -> Ask {
        let blocks_from =
            |noun, number| Ask::Blocks { noun, blocks: BlockRange { first: number, last: number } };
        match self {
            Self::Accounts { root, .. } | Self::Renewal { root, .. } => {
                Ask::State { noun: Noun::Accounts, root: *root }
            }
            Self::Storages { root, .. } | Self::StorageRange { root, .. } => {
                Ask::State { noun: Noun::Storages, root: *root }
            }
            Self::Codes { .. } => Ask::Codes,
            Self::Nodes { root, .. } | Self::Repair { root, .. } => {
                Ask::State { noun: self.noun(), root: *root }
            }
            Self::Headers { start: HeaderStart::Hash(_), .. } => Ask::Header,
            Self::Headers {
                start: HeaderStart::Number(number) | HeaderStart::Linked { number, .. }, ..
            } => blocks_from(Noun::Headers, *number),
            Self::Lists { blocks } | Self::ListsAbove { blocks } => blocks_from(Noun::Lists, blocks.first),
            Self::LeftList { block } => blocks_from(Noun::Lists, block.number),
            Self::Bodies { blocks } => blocks_from(Noun::Bodies, blocks.first),
            Self::Receipts { blocks, .. } => blocks_from(Noun::Receipts, blocks.first),
        }
    }

    /// What nobody has when nobody has this.
    pub(crate) fn missing(&self) -> Missing {
        match self {
            Self::Accounts { target, .. }
            | Self::Renewal { target, .. }
            | Self::Storages { target, .. }
            | Self::StorageRange { target, .. }
            | Self::Nodes { target, .. }
            | Self::Repair { target, .. } => Missing::State { target: *target },
            Self::Codes { hashes } => Missing::Code { hash: hashes.first().copied().unwrap_or_default() },
            Self::Headers { start: HeaderStart::Hash(hash), .. } => Missing::Header { hash: *hash },
            Self::Headers {
                start: HeaderStart::Number(number) | HeaderStart::Linked { number, .. },
                count,
            } => {
                let first = (number + 1).saturating_sub(*count);
                Missing::Headers { blocks: BlockRange { first, last: *number } }
            }
            Self::Lists { blocks } | Self::ListsAbove { blocks } => Missing::Lists { blocks: *blocks },
            Self::LeftList { block: Head { number, .. } } => {
                Missing::Lists { blocks: BlockRange { first: *number, last: *number } }
            }
            Self::Bodies { blocks } => Missing::Bodies { blocks: *blocks },
            Self::Receipts { blocks, .. } => Missing::Receipts { blocks: *blocks },
        }
    }

    /// How many things it asks for, where they are counted.
    pub(crate) fn items(&self) -> u64 {
        match self {
            Self::Accounts { .. }
            | Self::Renewal { .. }
            | Self::StorageRange { .. }
            | Self::LeftList { .. }
            | Self::Repair { .. } => 1,
            Self::Storages { claims, .. } => claims.len() as u64,
            Self::Codes { hashes } => hashes.len() as u64,
            Self::Nodes { nodes, .. } => nodes.len() as u64,
            Self::Headers { count, .. } => *count,
            Self::Lists { blocks }
            | Self::ListsAbove { blocks }
            | Self::Bodies { blocks }
            | Self::Receipts { blocks, .. } => blocks.count(),
        }
    }

    /// Takes the first `items` things; gives what lies behind them.
    pub(crate) fn cut(&mut self, items: u64) -> Option<Self> {
        let items = items.max(1);
        if self.items() <= items {
            return None;
        }
        let at = usize::try_from(items).unwrap_or(usize::MAX);
        Some(match self {
            Self::Accounts { .. }
            | Self::Renewal { .. }
            | Self::StorageRange { .. }
            | Self::LeftList { .. }
            | Self::Repair { .. } => return None,
            Self::Storages { target, root, claims } => {
                Self::Storages { target: *target, root: *root, claims: claims.split_off(at) }
            }
            Self::Codes { hashes } => Self::Codes { hashes: hashes.split_off(at) },
            Self::Nodes { target, root, nodes } => {
                Self::Nodes { target: *target, root: *root, nodes: nodes.split_off(at) }
            }
            Self::Headers { start, count } => {
                // Only a start with a number has a count above one.
                let number = start.number()?;
                let rest = *count - items;
                *count = items;
                Self::Headers { start: HeaderStart::Number(number - items), count: rest }
            }
            Self::Lists { blocks } => Self::Lists { blocks: cut_blocks(blocks, items) },
            Self::ListsAbove { blocks } => Self::ListsAbove { blocks: cut_blocks(blocks, items) },
            Self::Bodies { blocks } => Self::Bodies { blocks: cut_blocks(blocks, items) },
            Self::Receipts { blocks, .. } => {
                Self::Receipts { blocks: cut_blocks(blocks, items), first_receipt: 0 }
            }
        })
    }

    /// What is left after an answer; a range ends at `last` at the latest.
    pub(crate) fn rest(&self, answered: &Answered, last: Option<B256>) -> Rest {
        match (self, answered) {
            (Self::Accounts { target, root, range }, Answered::Accounts { covered }) => {
                let rest = behind(covered, last.unwrap_or(range.last()).min(range.last()));
                rest.map_or(Rest::Nothing, |range| {
                    Rest::Some(Self::Accounts { target: *target, root: *root, range })
                })
            }
            (Self::Renewal { .. }, Answered::Renewed) => Rest::Nothing,
            (
                Self::StorageRange { target, root, claim, range },
                Answered::Storages { partial: Some(partial), .. },
            ) => {
                let (target, root, claim) = (*target, *root, *claim);
                let rest = behind(&partial.covered, range.last());
                rest.map_or(Rest::Nothing, |range| {
                    Rest::Some(Self::StorageRange { target, root, claim, range })
                })
            }
            (Self::Storages { target, root, claims }, Answered::Storages { settled, partial }) => {
                let answered = settled.len() + usize::from(partial.is_some());
                let (target, root) = (*target, *root);
                remaining(claims, answered, |claims| Self::Storages { target, root, claims })
            }
            (Self::Codes { hashes }, Answered::Codes { found }) => {
                let left: Vec<B256> = hashes.iter().filter(|hash| !found.contains(hash)).copied().collect();
                let answered = hashes.len() - left.len();
                if answered == 0 {
                    return Rest::All;
                }
                if left.is_empty() { Rest::Nothing } else { Rest::Some(Self::Codes { hashes: left }) }
            }
            (Self::Nodes { target, root, .. }, Answered::Nodes { found, left, .. }) => {
                match left.as_slice() {
                    _ if *found == 0 => Rest::All,
                    [] => Rest::Nothing,
                    left => Rest::Some(Self::Nodes { target: *target, root: *root, nodes: left.to_vec() }),
                }
            }
            // What it led to is asked for node by node.
            (Self::Repair { .. }, Answered::Shown { .. }) => Rest::Nothing,
            (Self::Headers { count, .. }, Answered::Headers { segment }) => {
                let rest = count.saturating_sub(segment.count());
                match (rest, segment.lowest.checked_sub(1)) {
                    (0, _) | (_, None) => Rest::Nothing,
                    (count, Some(number)) => {
                        Rest::Some(Self::Headers { start: HeaderStart::Number(number), count })
                    }
                }
            }
            (Self::Lists { blocks }, Answered::Lists { found }) => {
                after_blocks(*blocks, Some(found.last), |blocks| Self::Lists { blocks })
            }
            (Self::ListsAbove { blocks }, Answered::Kept { found }) => {
                after_blocks(*blocks, Some(found.last), |blocks| Self::ListsAbove { blocks })
            }
            (Self::LeftList { .. }, Answered::Lists { .. }) => Rest::Nothing,
            (Self::Bodies { blocks }, Answered::Bodies { found }) => {
                let last = found.last().map(|range| range.last);
                after_blocks(*blocks, last, |blocks| Self::Bodies { blocks })
            }
            // What is left of a cut block is a request of its own: see `parts`.
            (Self::Receipts { blocks, .. }, Answered::Receipts { found, part }) => {
                let last = part.map(|part| part.block).or(found.last().map(|range| range.last));
                after_blocks(*blocks, last, |blocks| Self::Receipts { blocks, first_receipt: 0 })
            }
            _ => Rest::All,
        }
    }
}

/// How many things an answer gave, to learn their size.
pub(crate) fn given(answered: &Answered) -> u64 {
    match answered {
        Answered::Nothing => 0,
        Answered::Accounts { .. } | Answered::Renewed | Answered::Shown { .. } => 1,
        Answered::Storages { settled, partial } => settled.len() as u64 + u64::from(partial.is_some()),
        Answered::Codes { found } => found.len() as u64,
        Answered::Nodes { found, .. } => *found,
        Answered::Headers { segment } => segment.count(),
        Answered::Lists { found } | Answered::Kept { found } => found.count(),
        Answered::Bodies { found } | Answered::Receipts { found, .. } => {
            found.iter().map(BlockRange::count).sum()
        }
    }
}

fn behind(covered: &HashRange, last: B256) -> Option<HashRange> {
    HashRange::after(covered.last()).and_then(|start| HashRange::new(start, last))
}

fn remaining<T: Clone>(items: &[T], answered: usize, what: impl Fn(Vec<T>) -> What) -> Rest {
    match items.get(answered..) {
        _ if answered == 0 => Rest::All,
        None | Some([]) => Rest::Nothing,
        Some(left) => Rest::Some(what(left.to_vec())),
    }
}

/// What lies behind the last block that an answer gave something of.
fn after_blocks(blocks: BlockRange, last: Option<u64>, what: impl Fn(BlockRange) -> What) -> Rest {
    let Some(last) = last else { return Rest::All };
    last.checked_add(1)
        .and_then(|first| BlockRange::new(first, blocks.last))
        .map_or(Rest::Nothing, |blocks| Rest::Some(what(blocks)))
}

fn cut_blocks(blocks: &mut BlockRange, items: u64) -> BlockRange {
    let rest = BlockRange { first: blocks.first + items, last: blocks.last };
    blocks.last = rest.first - 1;
    rest
}

/// A row and its proof: two paths of eight nodes, most of which they share.
const RENEWAL_BYTES: u64 = 8 << 10;

/// The same with as many rows as a repair asks for.
const REPAIR_BYTES: u64 = RENEWAL_BYTES + REPAIR_ROWS_BYTES;

/// Rows that a repair asks for: some two dozen accounts, more than hang from the lowest branches. More would be rows that do not differ, where
/// few do; fewer, a request for each row that does.
const REPAIR_ROWS_BYTES: u64 = 2 << 10;

/// Things after which older ones count half, when sizes are learned.
const ITEMS_MEMORY: u64 = 4096;

/// Learned sizes of things, to ask for about as many as fit into an answer.
#[derive(Debug)]
pub(crate) struct Sizes {
    /// Bytes and things by noun. A mean, since a few things are many times as large as most.
    seen: [(u64, u64); Noun::ALL.len()],
}

impl Sizes {
    /// First guesses: a contract's storage, a code, a header, a body, a block's receipts, a trie node, an access list. Accounts are asked
    /// by range.
    pub(crate) fn new() -> Self {
        Self { seen: [1, 512, 8 << 10, 640, 8 << 10, 8 << 10, 400, 72 << 10].map(|bytes| (bytes * 4, 4)) }
    }

    pub(crate) fn learn(&mut self, what: &What, items: u64, bytes: u64) {
        // A part of a storage says nothing of whole ones, and few accounts nothing of ranges.
        if items == 0
            || matches!(what, What::StorageRange { .. } | What::Renewal { .. } | What::Repair { .. })
        {
            return;
        }
        let (sum, count) = &mut self.seen[what.noun() as usize];
        (*sum, *count) = (*sum + bytes, *count + items);
        if *count > ITEMS_MEMORY {
            (*sum, *count) = (*sum / 2, *count / 2);
        }
    }

    /// Bytes of one thing.
    fn one(&self, noun: Noun) -> u64 {
        let (sum, count) = self.seen[noun as usize];
        (sum / count.max(1)).max(32)
    }

    /// Bytes of all that is asked for.
    pub(crate) fn all(&self, what: &What) -> u64 {
        match what {
            What::Renewal { .. } => RENEWAL_BYTES,
            What::Repair { .. } => REPAIR_BYTES,
            _ => what.items().saturating_mul(self.one(what.noun())),
        }
    }

    /// How many things to ask for.
    pub(crate) fn items(&self, config: &Config, what: &What, response_bytes: u64) -> u64 {
        let fit = response_bytes / self.one(what.noun());
        let (least, most) = match what {
            What::Accounts { .. }
            | What::Renewal { .. }
            | What::StorageRange { .. }
            | What::LeftList { .. }
            | What::Repair { .. } => (1, 1),
            // A soft limit cuts the answer anyway, and claims cost little: rather too many than too few.
            What::Storages { .. } => (8, config.claims_per_request as u64),
            What::Codes { .. } => (4, config.codes_per_request as u64),
            What::Nodes { .. } => (8, config.nodes_per_request as u64),
            What::Headers { .. } => (config.headers_per_request, config.headers_per_request),
            What::Lists { .. } | What::ListsAbove { .. } => (1, config.lists_per_request),
            What::Bodies { .. } => (1, config.bodies_per_request),
            What::Receipts { .. } => (1, config.receipts_per_request),
        };
        fit.clamp(least.min(most), most).max(1)
    }

    /// Up to what weight to ask for an answer: its rows, as servers count.
    pub(crate) fn bytes(&self, what: &What, response_bytes: u64) -> u64 {
        match what {
            What::Headers { .. } | What::Renewal { .. } => self.all(what),
            What::Repair { .. } => REPAIR_ROWS_BYTES,
            _ => response_bytes,
        }
    }
}
