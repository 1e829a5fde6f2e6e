//! A history that is written step by step, and what is held of it.

use alloy_primitives::B256;
use snapsync_storage::{
    BlockRef, BlockSpan, Descent, Finality, HeaderPiece, HistorySummary, HistoryWrite, HistoryWriterSteps,
    Join, MemoryDisk, ProvenBodies, ProvenHeaders, ProvenReceipts, Reach, Store, Ticket, Verdict,
};

use super::{
    At, CHAIN,
    chain::{Block, block_of, blocks},
};

/// Blocks of another fork above this one.
pub(crate) fn beside(parent: &Block, count: u64, extra: &[u8]) -> Vec<Block> {
    let (mut hash, first) = (parent.header.hash(), parent.header.number + 1);
    (first..first + count)
        .map(|number| {
            let transactions = [alloy_rlp::encode(vec![number, 9])];
            let block = block_of(hash, number, B256::ZERO, extra, &transactions);
            hash = block.header.hash();
            block
        })
        .collect()
}

pub(crate) fn named(block: &Block) -> BlockRef {
    BlockRef { number: block.header.number, hash: block.header.hash() }
}

pub(crate) fn span(first: u64, last: u64) -> BlockSpan {
    BlockSpan { first, last }
}

/// A history in memory with a writer in steps.
pub(crate) struct Books {
    pub(crate) disk: MemoryDisk,
    pub(crate) store: Store,
    pub(crate) steps: HistoryWriterSteps,
}

impl Books {
    pub(crate) fn open(disk: MemoryDisk, abort_at: Option<u64>) -> Self {
        let store = Store::open_memory(&disk, CHAIN).unwrap();
        let gate = At { commit: Some(abort_at.unwrap_or(u64::MAX)), verdict: || Verdict::Abort };
        let steps = store.history.writer_steps(Box::new(gate)).unwrap();
        Self { disk, store, steps }
    }

    /// Holds blocks 1 to 10, whole.
    pub(crate) fn with_ten() -> (Self, Vec<Block>) {
        let mut books = Self::open(MemoryDisk::default(), None);
        let ten = blocks(CHAIN.genesis, 10, B256::ZERO);
        books.headers(Descent::Begins, &ten);
        books.want(1, 10);
        books.bodies(&ten);
        books.receipts(&ten);
        (books, ten)
    }

    pub(crate) fn write(&mut self, write: HistoryWrite) -> snapsync_storage::Result<HistorySummary> {
        Ok(self.steps.commit(vec![write])?.remove(0).1)
    }

    pub(crate) fn try_headers(
        &mut self,
        descent: Descent,
        rising: &[Block],
    ) -> snapsync_storage::Result<Reach> {
        let falling: Vec<_> = rising.iter().rev().map(|block| block.header.clone()).collect();
        let headers = ProvenHeaders::prove(falling[0].hash(), None, falling).unwrap();
        let write = HistoryWrite::Headers { ticket: Ticket(1), headers, descent, response_bytes: 0 };
        let HistorySummary::Headers { reach, .. } = self.write(write)? else { panic!("no headers") };
        Ok(reach)
    }

    pub(crate) fn headers(&mut self, descent: Descent, rising: &[Block]) -> Reach {
        self.try_headers(descent, rising).unwrap()
    }

    pub(crate) fn want(&mut self, first: u64, last: u64) {
        self.write(HistoryWrite::Want { ticket: Ticket(1), blocks: span(first, last) }).unwrap();
    }

    pub(crate) fn bodies(&mut self, rising: &[Block]) -> Vec<BlockSpan> {
        let headers: Vec<_> = rising.iter().map(|block| block.header.clone()).collect();
        let bodies = rising.iter().map(|block| block.body.clone()).collect();
        let bodies = ProvenBodies::prove(&headers, bodies).unwrap();
        let write = HistoryWrite::Bodies { ticket: Ticket(1), bodies, response_bytes: 0 };
        let HistorySummary::Bodies { blocks } = self.write(write).unwrap() else { panic!("no bodies") };
        blocks
    }

    pub(crate) fn receipts(&mut self, rising: &[Block]) {
        let headers: Vec<_> = rising.iter().map(|block| block.header.clone()).collect();
        let receipts = rising.iter().map(|block| block.receipts.clone()).collect();
        let receipts = ProvenReceipts::prove(&headers, receipts).unwrap();
        self.write(HistoryWrite::Receipts { ticket: Ticket(1), receipts, response_bytes: 0 }).unwrap();
    }

    pub(crate) fn try_finalize(&mut self, block: &Block, highest: u64) -> snapsync_storage::Result<Finality> {
        let hash = block.header.hash();
        let summary = self.write(HistoryWrite::Finalize { ticket: Ticket(1), hash, highest })?;
        let HistorySummary::Finalized { hash: told, finality } = summary else { panic!("{summary:?}") };
        assert_eq!(told, hash);
        Ok(finality)
    }

    /// The block is final, whatever the state is of.
    pub(crate) fn finalize(&mut self, block: &Block) -> Finality {
        self.try_finalize(block, u64::MAX).unwrap()
    }

    /// Makes the chain that ends with these blocks canonical.
    pub(crate) fn switch(&mut self, rising: &[Block]) {
        let (last, below) = rising.split_last().unwrap();
        let reach = self.headers(Descent::Begins, std::slice::from_ref(last));
        let reach = if below.is_empty() { reach } else { self.headers(Descent::GoesOn, below) };
        assert_eq!(joined(reach).top, named(last));
    }

    pub(crate) fn held(&self) -> HeaderPiece {
        self.store.history.journal().unwrap().headers.unwrap()
    }

    pub(crate) fn descent(&self) -> Option<HeaderPiece> {
        self.store.history.journal().unwrap().descent
    }

    /// Missing bodies, missing receipts.
    pub(crate) fn gaps(&self) -> (Vec<BlockSpan>, Vec<BlockSpan>) {
        let journal = self.store.history.journal().unwrap();
        (journal.bodies, journal.receipts)
    }

    /// The canonical chain is these blocks and ends there.
    pub(crate) fn is_canonical(&self, rising: &[&[Block]]) {
        let snapshot = self.store.history.snapshot().unwrap();
        let all: Vec<&Block> = rising.iter().copied().flatten().collect();
        for block in &all {
            let BlockRef { number, hash } = named(block);
            assert_eq!(snapshot.canonical(number).unwrap(), Some(hash), "block {number}");
            assert!(snapshot.header(number).unwrap().is_some());
        }
        let top = named(all.last().unwrap());
        assert_eq!(snapshot.highest().unwrap(), Some((top.number, top.hash)));
        assert_eq!(self.held().top, top);
    }

    pub(crate) fn headers_written(&self) -> u64 {
        self.store.history.journal().unwrap().counters.headers
    }
}

pub(crate) fn joined(reach: Reach) -> Join {
    match reach {
        Reach::Joined(join) => join,
        other => panic!("{other:?}"),
    }
}
