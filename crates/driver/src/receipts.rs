//! What an answer of receipts gives: whole blocks, proved, and the first receipts of one that eth/70 has cut.
//!
//! Pure: a worker of the driver calls it, and the simulation with the same words. It blames no peer for what a block's header allows.

use snapsync_peers::Fault;
use snapsync_storage::ProvenReceipts;
use snapsync_wire::{
    Header,
    eth::{Completeness, Receipts},
};

use crate::{
    faults,
    parts::{Misfit, Part},
};

/// An answer's blocks: the whole ones, and what there is of a cut one.
#[derive(Clone, Debug)]
pub struct Sorted {
    /// Those of which all receipts are here.
    pub whole: ProvenReceipts,
    /// The number of the cut one, and its first receipts.
    pub part: Option<(u64, Part)>,
}

/// Proves whole blocks, and puts the parts of a cut one together. `headers` are those of the blocks that were asked for, ours; `held` is
/// what the request goes on with.
///
/// # Errors
/// The lie.
pub fn sort(answer: Receipts, headers: &[Header], held: Option<Part>) -> Result<Sorted, Fault> {
    let mut lists = answer.blocks;
    let first = headers.first().map_or(0, |header| header.number);
    let cut = if answer.last_block == Completeness::Whole { None } else { lists.pop() };
    if let (Some(held), Some(last)) = (&held, lists.first_mut()) {
        *last = held.finish(last).map_err(|_| Fault::WrongReceipts { number: first })?;
    }
    let whole = ProvenReceipts::prove(headers, lists).map_err(faults::of_blocks)?;
    let Some(cut) = cut else { return Ok(Sorted { whole, part: None }) };
    // A cut block has no root yet that would tell which one it is: the first that it may be, behind those that are whole.
    let next = whole.numbers().last().map_or(first, |last| last + 1);
    let held = held.filter(|_| next == first);
    let mut misfit = Misfit::Empty;
    for header in headers.iter().filter(|header| header.number >= next) {
        match Part::extend(held.as_ref(), &cut, header) {
            Ok(part) => return Ok(Sorted { whole, part: Some((header.number, part)) }),
            Err(why) => misfit = why,
        }
    }
    match misfit {
        Misfit::Empty => Ok(Sorted { whole, part: None }),
        Misfit::Impossible => Err(Fault::WrongReceipts { number: next }),
    }
}

#[cfg(test)]
mod tests {
    use snapsync_sync::{BlockGaps, BlockRange};
    use snapsync_trie::ordered_root;
    use snapsync_wire::{BlockReceipts, consensus_receipts};

    use super::*;
    use crate::parts::tests::{header, receipts};

    /// The gas of the receipts of block `number`.
    fn gas(number: u64) -> Vec<u64> {
        (1..=number).map(|at| at * 21_000).collect()
    }

    fn blocks(numbers: std::ops::RangeInclusive<u64>) -> (Vec<Header>, Vec<BlockReceipts>) {
        let lists: Vec<BlockReceipts> = numbers.clone().map(|number| receipts(gas(number))).collect();
        let root = |list| ordered_root(&consensus_receipts(list).expect("receipts"));
        let headers = numbers.zip(&lists).map(|(number, list)| header(number, number * 21_000, root(list)));
        (headers.collect(), lists)
    }

    fn answer(blocks: Vec<BlockReceipts>, last_block: Completeness) -> Receipts {
        Receipts { id: 1, blocks, last_block }
    }

    fn found(sorted: &Sorted) -> Vec<BlockRange> {
        let single = |number| BlockRange { first: number, last: number };
        BlockGaps::new(sorted.whole.numbers().map(single)).iter().collect()
    }

    #[test]
    fn receipts_of_blocks_that_the_peer_has_are_taken_and_a_gap_is_no_lie() {
        let (headers, mut lists) = blocks(3..=8);
        lists.remove(3);
        lists.remove(0);
        let sorted = sort(answer(lists, Completeness::Whole), &headers, None).expect("it is true");
        assert_eq!(found(&sorted), [BlockRange { first: 4, last: 5 }, BlockRange { first: 7, last: 8 }]);
    }

    #[test]
    fn receipts_that_belong_to_no_asked_block_are_a_lie() {
        let (headers, mut lists) = blocks(3..=8);
        lists[2] = receipts(gas(9));
        let fault = sort(answer(lists, Completeness::Whole), &headers, None).err();
        assert_eq!(fault, Some(Fault::WrongReceipts { number: 5 }));
    }

    #[test]
    fn receipts_of_one_block_sent_twice_are_a_lie() {
        let (headers, mut lists) = blocks(3..=8);
        lists[2] = lists[1].clone();
        let fault = sort(answer(lists, Completeness::Whole), &headers, None).err();
        assert_eq!(fault, Some(Fault::WrongReceipts { number: 5 }));
    }

    #[test]
    fn cut_block_behind_a_gap_is_the_first_that_it_may_be() {
        let (headers, _) = blocks(3..=8);
        // Block 3 has too little gas for these, and was left out.
        let cut = receipts(gas(8).into_iter().take(5));
        let sorted = sort(answer(vec![cut], Completeness::Cut), &headers, None).expect("it may be true");
        let (block, part) = sorted.part.expect("a part");
        assert_eq!((block, part.count()), (5, 5));
    }

    #[test]
    fn cut_block_is_proved_when_its_last_part_is_here() {
        let (headers, _) = blocks(8..=8);
        let cut = receipts(gas(8).into_iter().take(5));
        let sorted = sort(answer(vec![cut], Completeness::Cut), &headers, None).expect("it may be true");
        let (_, part) = sorted.part.expect("a part");
        let last = receipts(gas(8).into_iter().skip(5));
        let rest = |last| sort(answer(vec![last], Completeness::Whole), &headers, Some(part.clone()));
        let sorted = rest(last).expect("it is true");
        assert_eq!(found(&sorted), [BlockRange { first: 8, last: 8 }]);
        let wrong = rest(receipts(gas(8).into_iter().skip(6))).err();
        assert_eq!(wrong, Some(Fault::WrongReceipts { number: 8 }));
    }

    #[test]
    fn cut_block_without_a_receipt_is_one_that_the_peer_cannot_send() {
        let (headers, _) = blocks(8..=8);
        let sorted = sort(answer(vec![receipts([])], Completeness::Cut), &headers, None).expect("no lie");
        assert!(sorted.part.is_none() && found(&sorted).is_empty());
    }

    #[test]
    fn one_byte_items_are_a_lie_at_once() {
        let (headers, _) = blocks(8..=8);
        let raw = BlockReceipts::from_raw(snapsync_wire::ReceiptForm::Slim, vec![0xc1, 0x01].into())
            .expect("a list");
        let fault = sort(answer(vec![raw], Completeness::Cut), &headers, None).err();
        assert_eq!(fault, Some(Fault::WrongReceipts { number: 8 }));
    }
}
