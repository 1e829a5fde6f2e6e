//! Receipts by the hashes of their blocks, out of one snapshot of the history.
//!
//! Stored bytes are walked, not decoded, but for eth/68, which wants blooms: there an answer is bounded by what it becomes on its way
//! out, fifty times of what is stored where receipts have no logs. From eth/70 on a block whose receipts are larger than an answer is
//! cut between two receipts; before, such a block cannot be sent once it is larger than a message. The first block that we lack, or
//! cannot send, ends the answer: whoever matches receipts to its request by their places would take the next ones for forged ones.

use alloy_primitives::Bytes;
use alloy_rlp::Header as RlpHead;
use snapsync_storage::HistorySnapshot;
use snapsync_wire::{
    BlockReceipts, EthVersion, ReceiptForm,
    eth::{Completeness, GetReceipts, Receipts},
};

use crate::{
    error::{Error, Result},
    limits::{Allowance, Limits},
};

/// Answers with the receipts of the first blocks, as far as we hold them without a gap.
///
/// # Errors
/// When our disk fails.
pub fn answer_receipts(
    snapshot: &HistorySnapshot,
    request: &GetReceipts,
    version: EthVersion,
    limits: &Limits,
) -> Result<Receipts> {
    let mut allowance = Allowance::new(limits.response_bytes_soft);
    let mut answer = Receipts { id: request.id, last_block: Completeness::Whole, blocks: Vec::new() };
    for (index, hash) in request.hashes.iter().take(limits.blocks_max).enumerate() {
        let Some(raw) = snapshot.receipts(hash)? else { break };
        let stored = |why| Error::Stored { what: "receipts", why };
        let mut block =
            BlockReceipts::from_raw(ReceiptForm::Slim, Bytes::copy_from_slice(raw)).map_err(stored)?;
        if index == 0 && request.first_receipt_index > 0 {
            block = block.skip(request.first_receipt_index).map_err(stored)?;
        }
        let mut bytes = block.form_bytes_max(version.into()).map_err(stored)?;
        if !allowance.fits(bytes) {
            break;
        }
        let mut end = Completeness::Whole;
        if bytes as u64 > limits.response_bytes_soft && version >= EthVersion::Eth70 {
            (block, end) = cut(&block, limits.response_bytes_soft)?;
            bytes = block.raw().len();
        }
        if !limits.carries(&allowance, bytes) {
            // SPEC: before eth/70 there is no way to send it, and from then on none for a receipt that no message carries.
            break;
        }
        allowance.take(bytes);
        answer.blocks.push(block);
        answer.last_block = end;
        if answer.last_block == Completeness::Cut {
            break;
        }
    }
    Ok(answer)
}

/// The first receipts of a block up to so many bytes, at least one.
fn cut(block: &BlockReceipts, bytes_max: u64) -> Result<(BlockReceipts, Completeness)> {
    let unreadable = |error: alloy_rlp::Error| snapsync_storage::Error::Corrupt {
        table: "Receipts",
        key: String::new(),
        why: if error == alloy_rlp::Error::InputTooShort {
            "a list ends early"
        } else {
            "not a list of receipts"
        },
    };
    let mut rest = block.raw().as_ref();
    let items = RlpHead::decode_bytes(&mut rest, true).map_err(unreadable)?;
    let mut allowance = Allowance::new(bytes_max);
    let mut behind = items;
    while !behind.is_empty() {
        let mut next = behind;
        RlpHead::decode_bytes(&mut next, true).map_err(unreadable)?;
        let bytes = behind.len() - next.len();
        if !allowance.fits(bytes) {
            break;
        }
        allowance.take(bytes);
        behind = next;
    }
    let taken = &items[..items.len() - behind.len()];
    let mut raw = Vec::with_capacity(taken.len() + 9);
    RlpHead { list: true, payload_length: taken.len() }.encode(&mut raw);
    raw.extend_from_slice(taken);
    let part = BlockReceipts::from_raw(ReceiptForm::Slim, raw.into());
    let part = part.map_err(|why| Error::Stored { what: "receipts", why })?;
    let end = if behind.is_empty() { Completeness::Whole } else { Completeness::Cut };
    Ok((part, end))
}

#[cfg(test)]
mod tests {
    use alloy_primitives::B256;
    use snapsync_storage::ProvenReceipts;
    use snapsync_wire::eth::Message;

    use super::*;
    use crate::sample::SampleBlocks;

    fn ask(hashes: &[B256], first_receipt_index: u64, version: EthVersion, limits: &Limits) -> Receipts {
        let request = GetReceipts { id: 6, first_receipt_index, hashes: hashes.to_vec() };
        answer_receipts(&SampleBlocks::shared().snapshot(), &request, version, limits).expect("our own disk")
    }

    #[test]
    fn receipts_prove_themselves_against_their_headers() {
        let blocks = SampleBlocks::shared();
        let answer = ask(&blocks.hashes[1..], 0, EthVersion::Eth69, &Limits::mainnet());
        assert_eq!(answer.last_block, Completeness::Whole);
        ProvenReceipts::prove(&blocks.headers[1..], answer.blocks).expect("they are true");
    }

    #[test]
    fn a_block_that_is_larger_than_an_answer_comes_in_parts() {
        let blocks = SampleBlocks::shared();
        let limits = Limits { response_bytes_soft: 100, ..Limits::mainnet() };
        let mut whole: Option<BlockReceipts> = None;
        let mut parts = 0;
        loop {
            let first = whole.as_ref().map_or(0, |part| part.count().expect("a list"));
            let answer = ask(&blocks.hashes[15..], first as u64, EthVersion::Eth70, &limits);
            assert_eq!(answer.blocks.len(), 1);
            parts += 1;
            whole = Some(match whole {
                None => answer.blocks[0].clone(),
                Some(part) => part.join(&answer.blocks[0]).expect("lists"),
            });
            if answer.last_block == Completeness::Whole {
                break;
            }
        }
        assert!(parts > 2);
        let whole = whole.expect("at least one part");
        ProvenReceipts::prove(&blocks.headers[15..=15], vec![whole]).expect("it is true");
    }

    #[test]
    fn an_index_behind_the_last_receipt_gives_an_empty_end() {
        let answer = ask(&SampleBlocks::shared().hashes[15..], 1_000, EthVersion::Eth70, &Limits::mainnet());
        assert_eq!(answer.blocks[0].count().expect("a list"), 0);
        assert_eq!(answer.last_block, Completeness::Whole);
    }

    #[test]
    fn the_first_unknown_block_ends_the_answer() {
        let blocks = SampleBlocks::shared();
        let hashes = [blocks.hashes[1], blocks.hashes[2], B256::repeat_byte(1), blocks.hashes[3]];
        for version in EthVersion::ALL {
            assert_eq!(ask(&hashes, 0, version, &Limits::mainnet()).blocks.len(), 2);
            assert!(ask(&hashes[2..], 0, version, &Limits::mainnet()).blocks.is_empty());
        }
    }

    // ROW: F38
    #[test]
    fn an_answer_to_eth68_is_bounded_by_what_it_becomes() {
        let blocks = SampleBlocks::shared();
        for response_bytes_soft in [1, 5_000, 20_000, 50_000] {
            let limits = Limits { response_bytes_soft, ..Limits::mainnet() };
            let answer = ask(&blocks.hashes[1..], 0, EthVersion::Eth68, &limits);
            let count = answer.blocks.len();
            let bytes =
                |answer| Message::Receipts(answer).encode(EthVersion::Eth68).expect("receipts").1.len();
            assert!(count == 1 || bytes(answer) as u64 <= response_bytes_soft + 20, "{response_bytes_soft}");
            // Without blooms all of them fit into the smallest but one.
            let slim = ask(&blocks.hashes[1..], 0, EthVersion::Eth69, &limits);
            assert!(response_bytes_soft == 1 || slim.blocks.len() == blocks.hashes.len() - 1);
            assert!(count < slim.blocks.len() || count == 1);
        }
        let limits = Limits { message_bytes_max: 1_000, ..Limits::mainnet() };
        assert!(ask(&blocks.hashes[15..], 0, EthVersion::Eth68, &limits).blocks.is_empty());
        assert_eq!(ask(&blocks.hashes[15..], 0, EthVersion::Eth69, &limits).blocks.len(), 1);
    }

    #[test]
    fn a_receipt_that_no_message_carries_ends_the_answer() {
        let limits = Limits { response_bytes_soft: 5, message_bytes_max: 5, ..Limits::mainnet() };
        let answer = ask(&SampleBlocks::shared().hashes[15..], 0, EthVersion::Eth70, &limits);
        assert!(answer.blocks.is_empty());
        assert_eq!(answer.last_block, Completeness::Whole);
    }

    #[test]
    fn before_eth70_a_block_is_sent_whole_or_not_at_all() {
        let blocks = SampleBlocks::shared();
        let limits = Limits { response_bytes_soft: 10, ..Limits::mainnet() };
        let answer = ask(&blocks.hashes[15..], 0, EthVersion::Eth69, &limits);
        assert_eq!((answer.blocks.len(), answer.last_block), (1, Completeness::Whole));
        let limits = Limits { response_bytes_soft: 10, message_bytes_max: 100, ..Limits::mainnet() };
        assert!(ask(&blocks.hashes[15..], 0, EthVersion::Eth69, &limits).blocks.is_empty());
    }
}
