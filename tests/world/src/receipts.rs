//! Receipts: the judge of an answer that may end inside a block, and what is held of a block until its last part is here.
//!
//! Where rows are real, the bytes behind the digests go through the product's own prover, whose part is kept. Else the answer is compared
//! with the truth by the same rules: a cut block has no root yet, so whatever is in it is taken until the block is whole.

use snapsync_driver::receipts;
use snapsync_peers::{Fault, Outcome, PeerId};
use snapsync_storage::ProvenReceipts;
use snapsync_stream::{Answered, ReceiptPart, Verdict};
use snapsync_sync::{BlockGaps, BlockRange};
use snapsync_wire::eth;

use crate::{
    answer::{Block, Part},
    blocks,
    chain::Header,
    disk::Chunk,
    ruling::{HeldPart, Ruling},
};

/// An answer of receipts, and who gave it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Given<'a> {
    pub(crate) peer: PeerId,
    pub(crate) whole: &'a [Block],
    pub(crate) cut: Option<&'a Part>,
}

/// What an answer comes to.
struct Sorted {
    whole: Vec<Header>,
    proven: Option<ProvenReceipts>,
    part: Option<(u64, HeldPart)>,
}

/// Rules on an answer; `asked` are the headers of the blocks that it was asked for, `held` is what it goes on with.
pub(crate) fn rule(
    asked: &[Header],
    first_receipt: u64,
    given: &Given<'_>,
    held: Option<&HeldPart>,
) -> Result<Ruling, Fault> {
    // Should what it goes on with be gone, its peer is not to blame.
    let is_lost = first_receipt > 0 && held.is_none();
    if is_lost || (given.whole.is_empty() && given.cut.is_none()) {
        return Ok(Ruling::nothing(Verdict::unavailable()));
    }
    let is_real = asked.first().is_some_and(|header| !header.raw.is_empty());
    let Sorted { whole, proven, part } = match is_real {
        true => prove(asked, given, held)?,
        false => compare(asked, given, held)?,
    };
    if whole.is_empty() && part.is_none() {
        return Ok(Ruling::nothing(Verdict::unavailable()));
    }
    let outcome = if whole.len() == asked.len() { Outcome::Complete } else { Outcome::Partial };
    let of_next = part.as_ref().map(|(block, held)| ReceiptPart {
        block: *block,
        receipts: held.receipts,
        bytes: held.weight,
    });
    let answered = Answered::Receipts { found: spans(&whole), part: of_next };
    let chunk = (!whole.is_empty()).then_some(Chunk::Receipts { blocks: whole, proven });
    Ok(Ruling { verdict: Verdict { outcome, answered }, chunk, part })
}

/// The product's own prover.
fn prove(asked: &[Header], given: &Given<'_>, held: Option<&HeldPart>) -> Result<Sorted, Fault> {
    let headers: Vec<_> = asked.iter().map(|header| blocks::decode(&header.raw)).collect();
    let mut lists: Vec<_> =
        given.whole.iter().map(|block| blocks::receipts(block.digest, block.first)).collect();
    lists.extend(given.cut.map(|part| blocks::some_receipts(part.digest, part.first, part.receipts)));
    let last_block = if given.cut.is_some() { eth::Completeness::Cut } else { eth::Completeness::Whole };
    let answer = eth::Receipts { id: 0, last_block, blocks: lists };
    let sorted = receipts::sort(answer, &headers, held.and_then(|held| held.real.clone()))?;
    let of = |number: u64| asked.iter().find(|header| header.number == number);
    let whole: Vec<Header> = sorted.whole.numbers().filter_map(of).cloned().collect();
    let part = sorted.part.zip(given.cut).and_then(|((number, real), cut)| {
        let before = held.filter(|_| whole.is_empty());
        let part = go_on(given.peer, of(number)?, cut, before);
        Some((number, HeldPart { receipts: real.count(), real: Some(real), ..part }))
    });
    Ok(Sorted { whole, proven: Some(sorted.whole), part })
}

/// The truth, by the prover's rules.
fn compare(asked: &[Header], given: &Given<'_>, held: Option<&HeldPart>) -> Result<Sorted, Fault> {
    let mut ends_held = held;
    let whole = matching(asked, given.whole, |header, block| {
        let begins = match ends_held.take() {
            Some(held) => held.is_true && held.receipts == block.first && held.hash == header.hash,
            None => block.first == 0,
        };
        begins && header.receipts == block.digest
    });
    let whole = whole.map_err(|number| Fault::WrongReceipts { number })?;
    let next = whole.last().or(asked.first()).map_or(0, |header| header.number);
    let next = next + u64::from(!whole.is_empty());
    let header = asked.iter().find(|header| header.number >= next);
    let part = given.cut.filter(|part| part.receipts > 0).zip(header).map(|(cut, header)| {
        (header.number, go_on(given.peer, header, cut, held.filter(|_| whole.is_empty())))
    });
    Ok(Sorted { whole, proven: None, part })
}

fn go_on(peer: PeerId, header: &Header, cut: &Part, before: Option<&HeldPart>) -> HeldPart {
    let (receipts, weight) = before.map_or((0, 0), |held| (held.receipts, held.weight));
    let fits = cut.first == receipts && cut.digest == header.receipts;
    HeldPart {
        peer,
        hash: header.hash,
        receipts: receipts + cut.receipts,
        weight: weight + cut.weight,
        is_true: fits && before.is_none_or(|held| held.is_true),
        real: None,
    }
}

/// The blocks that an answer gives; a peer leaves out what it does not have. Or which one is no block that was asked for.
pub(crate) fn matching(
    asked: &[Header],
    found: &[Block],
    mut is_of: impl FnMut(&Header, &Block) -> bool,
) -> Result<Vec<Header>, u64> {
    let (mut ahead, mut blocks) = (asked.iter(), Vec::new());
    for block in found {
        let expected = ahead.as_slice().first().map_or(0, |header| header.number);
        let header = ahead.find(|header| is_of(header, block)).ok_or(expected)?;
        blocks.push(header.clone());
    }
    Ok(blocks)
}

/// The numbers of blocks, rising, as ranges.
pub(crate) fn spans(blocks: &[Header]) -> Vec<BlockRange> {
    let single = |header: &Header| BlockRange { first: header.number, last: header.number };
    BlockGaps::new(blocks.iter().map(single)).iter().collect()
}
