//! One moment of our disk, and the blocks and states that are found in it.
//!
//! The state is opened first, so that the history beside it is not older: the block that the state is of is in it. What lies on the disk was proved
//! before it got there; only its form is read again.

use alloy_primitives::{B256, Bytes, b256};
use snapsync_execute::{Block, StateReader};
use snapsync_storage::{AsOf, BlockRef, HistorySnapshot, StateSnapshot};
use snapsync_trie::EMPTY_ROOT;
use snapsync_wire::{BlockReceipts, Body, Header, Receipt, ReceiptForm};

use super::{
    block_name::{BlockName, Tag},
    failure::{Failure, Result},
    served::Served,
};

/// The hash of no ommers.
const NO_OMMERS: B256 = b256!("1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347");

/// One moment of both stores.
pub(super) struct Moment<'n> {
    pub(super) served: &'n Served,
    pub(super) state: StateSnapshot,
    pub(super) history: HistorySnapshot,
}

/// A header that was found.
pub(super) struct FoundHeader {
    pub(super) header: Header,
    pub(super) hash: B256,
}

/// A block's state that is held.
pub(super) struct FoundState {
    pub(super) block: FoundHeader,
    /// How its rows are looked at.
    pub(super) as_of: AsOf,
}

impl<'n> Moment<'n> {
    pub(super) fn open(served: &'n Served) -> Result<Self> {
        let state = served.parts.state.snapshot()?;
        let history = served.parts.history.snapshot()?;
        Ok(Self { served, state, history })
    }

    /// The newest block: the one whose state is held; before there is one, block 0, as geth has it.
    pub(super) fn latest(&self) -> Result<BlockRef> {
        let whole = self.state.whole()?;
        if let Some(whole) = whole {
            return Ok(BlockRef { number: whole.number, hash: whole.hash });
        }
        Ok(BlockRef { number: 0, hash: self.served.genesis_hash })
    }

    /// The header of a block, if it is held.
    pub(super) fn header(&self, name: BlockName) -> Result<Option<FoundHeader>> {
        let heads = || self.served.parts.host.heads();
        let named = |head: Option<B256>, what: &str| {
            head.ok_or_else(|| Failure::Other(format!("{what} block not found")))
        };
        match name {
            BlockName::Number(number) => self.header_of_number(number),
            BlockName::Tag(Tag::Earliest) => self.header_of_number(0),
            BlockName::Tag(Tag::Latest | Tag::Pending) => self.header_of_hash(self.latest()?.hash),
            BlockName::Tag(Tag::Safe) => self.header_of_hash(named(heads().safe, "safe")?),
            BlockName::Tag(Tag::Finalized) => self.header_of_hash(named(heads().finalized, "finalized")?),
            BlockName::Hash { hash, must_be_canonical } => {
                let found = self.header_of_hash(hash)?;
                if let Some(FoundHeader { header, .. }) = found.as_ref().filter(|_| must_be_canonical)
                    && self.canonical(header.number)? != Some(hash)
                {
                    return Err(Failure::Other("hash is not currently canonical".to_owned()));
                }
                Ok(found)
            }
        }
    }

    /// The hash of the canonical block of a number.
    pub(super) fn canonical(&self, number: u64) -> Result<Option<B256>> {
        if number == 0 {
            return Ok(Some(self.served.genesis_hash));
        }
        Ok(self.history.canonical(number)?)
    }

    /// A block with its body, if both are held.
    pub(super) fn block(&self, name: BlockName) -> Result<Option<Block>> {
        let Some(found) = self.header(name)? else { return Ok(None) };
        let Some(body) = self.body(&found)? else { return Ok(None) };
        Block::new(found.header, body).map(Some).map_err(|why| Failure::stored("block", why))
    }

    /// The body of a block, if it is held. One that has nothing is known by its header.
    pub(super) fn body(&self, found: &FoundHeader) -> Result<Option<Body>> {
        let header = &found.header;
        let has_nothing = header.transactions_root == EMPTY_ROOT
            && header.ommers_hash == NO_OMMERS
            && header.withdrawals_root.is_none_or(|root| root == EMPTY_ROOT);
        let body = if has_nothing {
            Body::from_parts([], &[0xc0], header.withdrawals_root.is_some().then_some(&[][..]))
        } else {
            let Some(raw) = self.history.body(&found.hash)? else { return Ok(None) };
            Body::decode(&Bytes::copy_from_slice(raw))
        };
        body.map(Some).map_err(|why| Failure::stored("body", why))
    }

    /// The receipts of a block.
    pub(super) fn receipts(&self, header: &Header, hash: &B256) -> Result<Vec<Receipt>> {
        if header.receipts_root == EMPTY_ROOT {
            return Ok(Vec::new());
        }
        let number = header.number;
        let missing = || Failure::Other(format!("the receipts of block {number} are not held"));
        let raw = Bytes::copy_from_slice(self.history.receipts(hash)?.ok_or_else(missing)?);
        let receipts = BlockReceipts::from_raw(ReceiptForm::Slim, raw).and_then(|block| block.receipts());
        receipts.map_err(|why| Failure::stored("receipt", why))
    }

    /// The state after a block.
    pub(super) fn state_of(&self, name: BlockName) -> Result<FoundState> {
        let missing = || match name {
            BlockName::Hash { .. } => Failure::Other("header for hash not found".to_owned()),
            _ => Failure::Other("header not found".to_owned()),
        };
        let block = self.header(name)?.ok_or_else(missing)?;
        match self.state.as_of(block.header.state_root)? {
            Some(as_of) => Ok(FoundState { block, as_of }),
            None => Err(self.no_state(block.header.number)?),
        }
    }

    /// Reads a state by addresses.
    pub(super) fn reader(&self, found: &FoundState) -> Result<StateReader<'_>> {
        StateReader::at(&self.state, found.as_of, &self.history)
            .map_err(|error| Failure::Ours(error.to_string()))
    }

    fn header_of_number(&self, number: u64) -> Result<Option<FoundHeader>> {
        match self.canonical(number)? {
            Some(hash) => self.header_of_hash(hash),
            None => Ok(None),
        }
    }

    fn header_of_hash(&self, hash: B256) -> Result<Option<FoundHeader>> {
        if hash == self.served.genesis_hash {
            return Ok(Some(FoundHeader { header: self.served.parts.genesis.clone(), hash }));
        }
        let Some(raw) = self.history.header_by_hash(&hash)? else { return Ok(None) };
        let header = Header::decode(&Bytes::copy_from_slice(raw));
        header.map(|header| Some(FoundHeader { header, hash })).map_err(|why| Failure::stored("header", why))
    }

    /// Why there is no state of a block.
    fn no_state(&self, number: u64) -> Result<Failure> {
        let Some(newest) = self.state.whole()? else {
            return Ok(Failure::Other(format!("the state of block {number} is not held: no state is yet")));
        };
        let lowest = self.state.lowest_block()?.unwrap_or(newest.number).min(newest.number);
        let held = format!("those of blocks {lowest} to {} are", newest.number);
        Ok(Failure::Other(format!("the state of block {number} is not held: {held}")))
    }
}
