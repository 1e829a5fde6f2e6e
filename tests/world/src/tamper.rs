//! Lies: an honest answer in, what a liar makes of it out.
//!
//! Each lie works on virtual rows and on real bytes alike, so that the same story can be judged by comparison or by the
//! real prover. A lie that finds nothing to change leaves the answer as it is; whether an answer is a lie is decided by
//! the judge alone.

use alloy_primitives::{B256, Bytes};
use snapsync_keccak::keccak256;
use snapsync_trie::HashRange;

use crate::{
    answer::{Block, Entry, Library, Part, Payload, Proof, Question},
    chain::{Flavour, Row},
    chance::Chance,
    forge, heavy, poison,
    zoo::Kind,
};

/// What a peer of a kind makes of an honest answer.
#[must_use]
pub fn tamper(
    kind: Kind,
    question: &Question,
    honest: Payload,
    library: &Library<'_>,
    chance: &mut Chance,
) -> Payload {
    if kind == Kind::CorruptProof
        && let Some(poisoned) = poison::answer(question, library)
    {
        return poisoned;
    }
    match (kind, honest) {
        (Kind::Racing, Payload::Ranges { sets, proof }) => {
            race(sets, proof, library.states.flavour(), chance)
        }
        (Kind::Garbled, _) => Payload::Garbage,
        (kind, Payload::Lists(lists)) => Payload::Lists(change_lists(kind, lists, library, chance)),
        (kind, Payload::Nodes(nodes)) => Payload::Nodes(forge::nodes(kind, nodes, chance)),
        (Kind::Bloated, honest) => bloat(question, honest, library, chance),
        (Kind::CorruptValue, Payload::Ranges { sets, proof }) => Payload::Ranges {
            sets: corrupt_rows(sets, origin(question), library.states.flavour(), chance),
            proof,
        },
        (Kind::CorruptProof, Payload::Ranges { sets, proof }) => {
            Payload::Ranges { sets, proof: forge::proof(proof, chance) }
        }
        (Kind::NoProof, Payload::Ranges { sets, .. }) => Payload::Ranges { sets, proof: Proof::Absent },
        (Kind::OmitsEntries, Payload::Ranges { sets, proof }) => {
            Payload::Ranges { sets: omit(sets, chance), proof }
        }
        (Kind::TruncatedTailClaimedComplete, Payload::Ranges { sets, proof }) => {
            truncate(sets, proof, chance)
        }
        (Kind::WrongCode, Payload::Codes(codes)) => Payload::Codes(swap_code(codes, library, chance)),
        (Kind::WrongBody, Payload::Blocks(blocks)) if matches!(question, Question::Bodies { .. }) => {
            Payload::Blocks(swap_block(blocks, chance))
        }
        (Kind::WrongReceipts, honest) if matches!(question, Question::Receipts { .. }) => {
            swap_receipts(honest, chance)
        }
        (Kind::Dripping, honest) => match question {
            Question::Receipts { first_receipt, .. } => drip(honest, *first_receipt),
            _ => honest,
        },
        (Kind::ForgedHeader, Payload::Headers(mut headers)) if !headers.is_empty() => {
            let nth = chance.index(headers.len());
            match chance.below(4) {
                0 => headers[nth].hash = chance.hash(),
                1 => {
                    headers[nth].parent = chance.hash();
                    headers[nth].hash = chance.hash();
                }
                2 => {
                    headers[nth].number += 1 + chance.below(9);
                    headers[nth].hash = chance.hash();
                }
                _ => drop(headers.remove(nth)),
            }
            Payload::Headers(headers)
        }
        (_, honest) => honest,
    }
}

/// What a server sends whose state changed while it read: its iterator ended early, a set is missing, or a row is of the next
/// block's state. An answer without a proof keeps a row: one that says nothing at all says that the root is gone.
fn race(mut sets: Vec<Vec<Entry>>, proof: Proof, flavour: Flavour, chance: &mut Chance) -> Payload {
    let Some(nth) = filled(&sets, chance) else { return Payload::Ranges { sets, proof } };
    let at = chance.index(sets[nth].len());
    let whole = sets.clone();
    match chance.below(4) {
        0 => sets[nth].truncate(at),
        1 if sets.len() > 2 => drop(sets.remove(chance.index(sets.len() - 1))),
        2 => drop(sets[nth].remove(at)),
        _ => sets[nth][at].1 = forge::later(&sets[nth][at].1, flavour, chance),
    }
    if proof == Proof::Absent && sets.iter().all(Vec::is_empty) {
        sets = whole;
        sets[nth][at].1 = forge::later(&sets[nth][at].1, flavour, chance);
    }
    Payload::Ranges { sets, proof }
}

/// Four times the bytes, more items than asked, or items that nobody asked for.
fn bloat(question: &Question, honest: Payload, library: &Library<'_>, chance: &mut Chance) -> Payload {
    let library = Library { cap: u64::MAX, ..*library };
    match (question, honest) {
        (Question::Accounts { root, range, bytes }, _) => {
            library.answer(&Question::Accounts { root: *root, range: *range, bytes: bytes.saturating_mul(6) })
        }
        (Question::Storages { claims, .. }, Payload::Ranges { mut sets, proof })
            if !sets.is_empty() && chance.hits(500) =>
        {
            let last = sets[sets.len() - 1].clone();
            sets.resize(claims.len() + 1, last);
            Payload::Ranges { sets, proof }
        }
        (Question::Storages { root, claims, range, bytes }, _) => library.answer(&Question::Storages {
            root: *root,
            claims: claims.clone(),
            range: *range,
            bytes: bytes.saturating_mul(6),
        }),
        (Question::Ancestors { hash, count }, _) => {
            library.answer(&Question::Ancestors { hash: *hash, count: count + 1 + chance.below(50) })
        }
        (Question::Headers { from, count }, _) => {
            library.answer(&Question::Headers { from: *from, count: count + 1 + chance.below(50) })
        }
        (_, Payload::Codes(mut codes)) => {
            let extra = chance.index(library.states.codes.len().max(1));
            codes.extend(library.states.codes.iter().nth(extra).map(|(hash, row)| (*hash, row.clone())));
            Payload::Codes(codes)
        }
        (_, Payload::Blocks(mut blocks)) => {
            let digest = chance.draw();
            blocks.push(Block { number: 0, digest, first: 0, weight: 5 << 20 });
            Payload::Blocks(blocks)
        }
        (_, honest) => honest,
    }
}

/// The first key that was asked for, in the first set.
fn origin(question: &Question) -> B256 {
    match question {
        Question::Accounts { range, .. } | Question::Storages { range, .. } => range.start(),
        _ => B256::ZERO,
    }
}

fn corrupt_rows(
    mut sets: Vec<Vec<Entry>>,
    origin: B256,
    flavour: Flavour,
    chance: &mut Chance,
) -> Vec<Vec<Entry>> {
    let Some(nth) = filled(&sets, chance) else { return sets };
    let set = &mut sets[nth];
    let at = chance.index(set.len());
    match chance.below(10) {
        // The proof's own edge now stands where the forged row wants to stand.
        5 => {
            if let Some(edge) = set.last_mut() {
                edge.0 = HashRange::before(edge.0).unwrap_or(edge.0);
            }
        }
        4 => set[0].0 = HashRange::before(origin).unwrap_or(origin),
        0 => set[at].0 = forged_key(set[at].0),
        1 if set.len() > 1 => set.swap(0, at.max(1)),
        2 => {
            let twin = set[at].clone();
            set.insert(at, twin);
        }
        3 => set[at].1.value = Bytes::new(),
        _ => match flavour {
            Flavour::Virtual => set[at].1.value = Bytes::copy_from_slice(&chance.draw().to_be_bytes()),
            Flavour::Real => set[at].1 = forge::row(&set[at].1, chance),
        },
    }
    sets
}

/// The next or the previous key: still in its place, but not a key of the trie.
fn forged_key(key: B256) -> B256 {
    let mut forged = key;
    forged[31] ^= 1;
    forged
}

fn omit(mut sets: Vec<Vec<Entry>>, chance: &mut Chance) -> Vec<Vec<Entry>> {
    let Some(nth) = filled(&sets, chance) else { return sets };
    if sets.len() > 2 && chance.hits(400) {
        sets.remove(chance.index(sets.len() - 1));
        return sets;
    }
    let set = &mut sets[nth];
    set.remove(chance.index(set.len()));
    sets
}

fn truncate(mut sets: Vec<Vec<Entry>>, proof: Proof, chance: &mut Chance) -> Payload {
    let Some(set) = sets.last_mut().filter(|set| !set.is_empty()) else {
        return Payload::Ranges { sets, proof };
    };
    set.truncate(chance.index(set.len()));
    let proof = if chance.hits(500) { Proof::Absent } else { proof };
    Payload::Ranges { sets, proof }
}

fn filled(sets: &[Vec<Entry>], chance: &mut Chance) -> Option<usize> {
    let filled: Vec<usize> = (0..sets.len()).filter(|nth| !sets[*nth].is_empty()).collect();
    (!filled.is_empty()).then(|| filled[chance.index(filled.len())])
}

fn swap_code(mut codes: Vec<Entry>, library: &Library<'_>, chance: &mut Chance) -> Vec<Entry> {
    if codes.is_empty() {
        return codes;
    }
    let nth = chance.index(codes.len());
    let value: Bytes = chance.draw().to_be_bytes().to_vec().into();
    let hash = match library.states.flavour() {
        Flavour::Virtual => chance.hash(),
        Flavour::Real => keccak256(&value),
    };
    codes[nth] = (hash, Row { value, weight: codes[nth].1.weight });
    codes
}

fn swap_block(mut blocks: Vec<Block>, chance: &mut Chance) -> Vec<Block> {
    if !blocks.is_empty() {
        let nth = chance.index(blocks.len());
        blocks[nth].digest = chance.draw();
    }
    blocks
}

/// Lists of other blocks, of no block, in another order, or more of them than were asked for.
fn change_lists(
    kind: Kind,
    mut lists: Vec<Option<Bytes>>,
    library: &Library<'_>,
    chance: &mut Chance,
) -> Vec<Option<Bytes>> {
    let nth = chance.index(lists.len());
    match (kind, lists.get_mut(nth)) {
        (Kind::WrongBody, Some(list)) => {
            let other = chance.index(library.states.lists().len());
            *list = library.states.lists().nth(other).cloned();
        }
        (Kind::CorruptValue, Some(Some(list))) if !list.is_empty() => {
            let mut raw = list.to_vec();
            let at = chance.index(raw.len());
            raw[at] ^= 1 << chance.below(8);
            *list = raw.into();
        }
        (Kind::OmitsEntries, Some(_)) => drop(lists.remove(nth)),
        (Kind::Bloated, Some(_)) => lists.extend(vec![None; 1 + chance.index(200)]),
        _ => {}
    }
    lists
}

/// Receipts of another block: of a whole one, at its end, or in the part of one that is cut. The part is often left true, so that
/// the lie is in the next.
fn swap_receipts(honest: Payload, chance: &mut Chance) -> Payload {
    match honest {
        Payload::Cut { blocks, part } if !blocks.is_empty() && chance.hits(300) => {
            Payload::Cut { blocks: swap_block(blocks, chance), part }
        }
        Payload::Cut { blocks, mut part } => {
            if part.first > 0 || chance.hits(300) {
                part.digest = heavy::like(chance.draw());
            }
            Payload::Cut { blocks, part }
        }
        Payload::Blocks(mut blocks) if blocks.first().is_some_and(|block| block.first > 0) => {
            let digest = chance.draw();
            blocks[0].digest = if chance.hits(500) { heavy::like(digest) } else { digest };
            Payload::Blocks(blocks)
        }
        Payload::Blocks(blocks) => Payload::Blocks(swap_block(blocks, chance)),
        honest => honest,
    }
}

/// One receipt, as if the block had many.
fn drip(honest: Payload, first: u64) -> Payload {
    let block = match &honest {
        Payload::Blocks(blocks) => blocks.first().map(|block| (block.number, block.digest)),
        Payload::Cut { blocks, part } => {
            Some(blocks.first().map_or((part.number, part.digest), |block| (block.number, block.digest)))
        }
        _ => None,
    };
    let Some((number, digest)) = block else { return honest };
    let part = Part { number, digest: heavy::like(digest), first, receipts: 1, weight: 100 };
    Payload::Cut { blocks: Vec::new(), part }
}
