//! The first receipts of a block that eth/70 has cut, until the last ones are here.
//!
//! They are proved only when the block is whole. Until then the header's gas bounds them: how many there are, how much gas
//! they count, how many bytes they take. So a peer that never ends a block fills no memory. They trust no peer, and the
//! headers are those of our own disk. How long a peer may go on is not decided here.
//!
//! Pure, like `receipts`, which the simulation runs as well.

use snapsync_storage::GasBounds;
use snapsync_wire::{BlockReceipts, Header};

/// The first receipts of a block.
#[derive(Clone, Debug)]
pub struct Part {
    receipts: BlockReceipts,
    count: u64,
    /// The cumulative gas in the last one.
    gas: u64,
}

/// Why receipts cannot be the next ones of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Misfit {
    /// There are none: the peer cannot send more, as when one receipt is larger than a message.
    Empty,
    /// They cannot be read, or no block with this header has them.
    Impossible,
}

impl Part {
    /// The part that is held and these receipts behind it, or the first ones of a block.
    pub(crate) fn extend(held: Option<&Self>, more: &BlockReceipts, header: &Header) -> Result<Self, Misfit> {
        let bounds = GasBounds::of(header);
        let (before, mut gas) = held.map_or((0, 0), |held| (held.count, held.gas));
        let added = more.count().map_err(|_| Misfit::Impossible)? as u64;
        if added == 0 {
            return Err(Misfit::Empty);
        }
        let count = before + added;
        let bytes = held.map_or(0, |held| held.receipts.raw().len()) + more.raw().len();
        if count > bounds.receipts_max || bytes as u64 > bytes_max(header) {
            return Err(Misfit::Impossible);
        }
        for receipt in more.receipts().map_err(|_| Misfit::Impossible)? {
            if receipt.cumulative_gas <= gas {
                return Err(Misfit::Impossible);
            }
            gas = receipt.cumulative_gas;
        }
        if gas > bounds.cumulative_max {
            return Err(Misfit::Impossible);
        }
        let receipts = match held {
            Some(held) => held.receipts.join(more).map_err(|_| Misfit::Impossible)?,
            None => more.clone(),
        };
        Ok(Self { receipts, count, gas })
    }

    /// The receipts with the last ones of the block behind them.
    pub(crate) fn finish(&self, last: &BlockReceipts) -> Result<BlockReceipts, Misfit> {
        self.receipts.join(last).map_err(|_| Misfit::Impossible)
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// What they take.
    pub fn bytes(&self) -> u64 {
        self.receipts.raw().len() as u64
    }
}

/// What the receipts of a block with this gas limit take at most. A byte of a log costs 8 gas, its topics and address more,
/// and a receipt itself thousands of gas for less than 400 bytes: a quarter of the gas is twice what is possible.
fn bytes_max(header: &Header) -> u64 {
    const SMALLEST: u64 = 64 << 10;
    header.gas_limit / 4 + SMALLEST
}

#[cfg(test)]
pub(crate) mod tests {
    use alloy_primitives::B256;
    use snapsync_wire::{HeaderFields, PostState, Receipt, ReceiptForm};

    use super::*;

    /// A header of before London, with these numbers and this receipts root.
    pub(crate) fn header(number: u64, gas_used: u64, receipts_root: B256) -> Header {
        header_above(B256::ZERO, number, gas_used, receipts_root)
    }

    /// The same above a parent.
    pub(crate) fn header_above(parent: B256, number: u64, gas_used: u64, receipts_root: B256) -> Header {
        Header::made(&HeaderFields {
            parent_hash: parent,
            receipts_root,
            number,
            gas_limit: 30_000_000,
            gas_used,
            ..HeaderFields::default()
        })
    }

    /// Receipts with these cumulative gas values and a log's worth of bytes each.
    pub(crate) fn receipts(gas: impl IntoIterator<Item = u64>) -> BlockReceipts {
        let receipt = |gas| Receipt::new(0, PostState::Success, gas, vec![0xc0].into()).expect("a receipt");
        let receipts: Vec<Receipt> = gas.into_iter().map(receipt).collect();
        BlockReceipts::from_receipts(ReceiptForm::Slim, &receipts)
    }

    fn extend(held: Option<&Part>, gas: &[u64]) -> Result<Part, Misfit> {
        let header = header(1, 100_000, B256::ZERO);
        Part::extend(held, &receipts(gas.iter().copied()), &header)
    }

    #[test]
    fn parts_of_a_block_join() {
        let first = extend(None, &[21_000, 42_000]).expect("two receipts");
        let both = extend(Some(&first), &[63_000]).expect("one more");
        assert_eq!((both.count(), both.gas), (3, 63_000));
        let whole = both.finish(&receipts([100_000])).expect("lists");
        assert_eq!(whole, receipts([21_000, 42_000, 63_000, 100_000]));
    }

    #[test]
    fn cumulative_gas_rises_and_stays_within_the_header_s() {
        let first = extend(None, &[21_000, 42_000]).expect("two receipts");
        for gas in [&[42_000][..], &[30_000], &[60_000, 60_000], &[100_001]] {
            assert_eq!(extend(Some(&first), gas).err(), Some(Misfit::Impossible), "{gas:?}");
        }
        assert!(extend(Some(&first), &[100_000]).is_ok());
    }

    #[test]
    fn more_receipts_than_the_gas_pays_for_are_refused() {
        let gas: Vec<u64> = (1..=10).collect();
        assert_eq!(extend(None, &gas).err(), Some(Misfit::Impossible));
        assert!(extend(None, &gas[..9]).is_ok(), "refunds gave back half of 21,000 once");
    }

    #[test]
    fn one_byte_items_are_no_receipts() {
        let raw = BlockReceipts::from_raw(ReceiptForm::Slim, vec![0xc2, 0x01, 0x02].into()).expect("a list");
        let header = header(1, 100_000, B256::ZERO);
        assert_eq!(Part::extend(None, &raw, &header).err(), Some(Misfit::Impossible));
    }

    #[test]
    fn peer_that_cannot_send_one_receipt_more_does_not_lie() {
        assert_eq!(extend(None, &[]).err(), Some(Misfit::Empty));
    }
}
