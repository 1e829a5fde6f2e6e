//! Receipts with their logs and blooms, as the receipts root hashes them.

use alloy_primitives::{Address, B256};

use crate::{dice::Dice, rlp::List, transactions::MadeTransaction};

/// The 2048 bits in which a log's address and topics leave three marks each.
#[derive(Clone, Debug)]
pub(crate) struct Bloom {
    bits: [u8; 256],
}

impl Bloom {
    fn empty() -> Self {
        Self { bits: [0; 256] }
    }

    /// The bits, as a header carries them.
    pub(crate) const fn bits(&self) -> [u8; 256] {
        self.bits
    }

    /// Marks `item`: three bits, each by eleven bits of its hash.
    fn mark(&mut self, item: &[u8]) {
        let hash = snapsync_keccak::keccak256(item);
        for pair in 0..3 {
            let bit = usize::from(u16::from_be_bytes([hash[pair * 2], hash[pair * 2 + 1]]) & 2047);
            self.bits[255 - bit / 8] |= 1 << (bit % 8);
        }
    }

    fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.bits.iter_mut().zip(&other.bits) {
            *mine |= theirs;
        }
    }
}

/// A block's receipts and what its header says of them.
#[derive(Debug)]
pub(crate) struct MadeReceipts {
    /// Each as EIP-2718 hashes it.
    pub(crate) encoded: Vec<Vec<u8>>,
    /// All blooms in one.
    pub(crate) bloom: Bloom,
    /// The last cumulative gas.
    pub(crate) gas_used: u64,
}

/// The receipts of `transactions`, one in 25 of them failed.
pub(crate) fn receipts(dice: &mut Dice, transactions: &[MadeTransaction]) -> MadeReceipts {
    let mut made =
        MadeReceipts { encoded: Vec::with_capacity(transactions.len()), bloom: Bloom::empty(), gas_used: 0 };
    // Few emitters and few kinds of events, as on mainnet, where stable coins write most logs.
    let emitters: Vec<Address> = (0..4).map(|_| dice.address()).collect();
    let events: Vec<B256> = (0..3).map(|_| dice.word()).collect();
    for transaction in transactions {
        let failed = dice.below(25) == 0;
        let logs = if failed { 0 } else { transaction.logs };
        let mut bloom = Bloom::empty();
        let logs: Vec<List> = (0..logs).map(|_| log(dice, &emitters, &events, &mut bloom)).collect();
        made.gas_used += transaction.gas_used;
        made.bloom.merge(&bloom);
        let receipt = List::new()
            .item(&u64::from(!failed))
            .item(&made.gas_used)
            .bytes(&bloom.bits())
            .list(List::new().lists(logs));
        made.encoded.push(receipt.encode_typed(transaction.kind));
    }
    made
}

fn log(dice: &mut Dice, emitters: &[Address], events: &[B256], bloom: &mut Bloom) -> List {
    let emitter = emitters[dice.below(emitters.len() as u64) as usize];
    bloom.mark(emitter.as_slice());
    let mut topics = List::new();
    for index in 0..dice.below(4) {
        let topic = if index == 0 {
            events[dice.below(events.len() as u64) as usize]
        } else {
            dice.address().into_word()
        };
        bloom.mark(topic.as_slice());
        topics = topics.item(&topic);
    }
    let len = 32 * dice.below(5) as usize;
    let data = dice.bytes(len);
    List::new().item(&emitter).list(topics).bytes(&data)
}
