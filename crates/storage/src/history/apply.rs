//! One batch of history writes, brought into one transaction: rows, the piece of headers, the gaps that shrink.
//!
//! Bodies and receipts are written only for blocks that are missing and canonical; others are late duplicates or orphans,
//! and are dropped without harm.

use snapsync_wire::Header;

use crate::{
    env::{Table, WriteTxn},
    error::Result,
    history::{
        proven::{ProvenBlock, ProvenHeaders},
        record::{BlockRef, HISTORY_KEY, HeaderPiece, HistoryRecord},
        snapshot::HistorySnapshot,
        spans::{BlockSpan, Spans, join},
        tables::{
            BODIES, BODY_GAPS, CANONICAL, HEADERS, NUMBERS, PROGRESS, RECEIPT_GAPS, RECEIPTS, block_key,
        },
        write::{HistorySummary, HistoryWrite},
    },
    writer::{Ledger, Ticket},
};

/// What the history's writer keeps in memory: the gaps and the record.
#[derive(Debug)]
pub(crate) struct HistoryLedger {
    bodies: Spans,
    receipts: Spans,
    record: HistoryRecord,
}

impl HistoryLedger {
    pub(crate) fn load(snapshot: &HistorySnapshot) -> Result<Self> {
        Ok(Self {
            bodies: Spans::load(&snapshot.txn, BODY_GAPS)?,
            receipts: Spans::load(&snapshot.txn, RECEIPT_GAPS)?,
            record: snapshot.record()?.unwrap_or_default(),
        })
    }

    fn want(&mut self, txn: &WriteTxn<'_>, blocks: BlockSpan) -> Result<()> {
        if self.record.wanted.is_none() {
            self.bodies.open(txn, blocks)?;
            self.receipts.open(txn, blocks)?;
            self.record.wanted = Some(blocks);
        }
        Ok(())
    }

    fn apply_headers(&mut self, txn: &WriteTxn<'_>, headers: &ProvenHeaders) -> Result<HistorySummary> {
        let (mut rows, mut canonical) = (txn.cursor(HEADERS)?, txn.cursor(CANONICAL)?);
        let (_, lowest) = headers.lowest();
        for (hash, header) in headers.iter().rev() {
            let number = header.number.to_be_bytes();
            canonical.put(&number, hash.as_slice())?;
            rows.put(&block_key(header.number, hash), header.raw())?;
            txn.put(NUMBERS, hash.as_slice(), &number)?;
        }
        self.record.counters.headers += headers.count();
        let (hash, top) = headers.top();
        self.extend_piece(BlockRef { number: top.number, hash: *hash }, lowest);
        Ok(HistorySummary::Headers {
            top: BlockRef { number: top.number, hash: *hash },
            root: top.state_root,
            lowest: lowest.number,
            parent: lowest.parent_hash,
        })
    }

    /// The piece of headers that is held, with one more segment. A segment that touches it neither below nor above
    /// begins a new descent.
    fn extend_piece(&mut self, top: BlockRef, lowest: &Header) {
        let segment = HeaderPiece { top, floor: lowest.number, floor_parent: lowest.parent_hash };
        self.record.headers = Some(match self.record.headers {
            Some(held) if held.floor_parent == top.hash => HeaderPiece { top: held.top, ..segment },
            Some(held) if segment.floor_parent == held.top.hash => HeaderPiece { top, ..held },
            // A late duplicate: the floor has gone below it already.
            Some(held) if held.floor <= segment.floor && top.number <= held.top.number => held,
            _ => segment,
        });
    }
}

/// Writes the blocks that are missing; returns how many that were, and all blocks of the answer.
fn apply_blocks<T>(
    txn: &WriteTxn<'_>,
    gaps: &mut Spans,
    table: &'static Table,
    blocks: &[ProvenBlock<T>],
    raw: impl Fn(&T) -> &[u8],
) -> Result<(u64, Vec<BlockSpan>)> {
    let mut written = 0;
    for block in blocks {
        let canonical = txn.get(CANONICAL, &block.number.to_be_bytes())?;
        if canonical.as_deref() == Some(block.hash.as_slice()) && gaps.take(txn, block.number)? {
            txn.put(table, &block_key(block.number, &block.hash), raw(&block.part))?;
            written += 1;
        }
    }
    Ok((written, join(blocks.iter().map(|block| block.number).collect())))
}

impl Ledger for HistoryLedger {
    type Write = HistoryWrite;
    type Summary = HistorySummary;

    fn weight(write: &HistoryWrite) -> u64 {
        let bytes: usize = match write {
            HistoryWrite::Headers { headers, .. } => {
                headers.iter().map(|(_, header)| header.raw().len() + 256).sum()
            }
            HistoryWrite::Bodies { bodies, .. } => {
                bodies.blocks.iter().map(|block| block.part.raw().len() + 128).sum()
            }
            HistoryWrite::Receipts { receipts, .. } => {
                receipts.blocks.iter().map(|block| block.part.raw().len() + 128).sum()
            }
            HistoryWrite::Want { .. } | HistoryWrite::Stop => 64,
        };
        bytes as u64
    }

    fn is_stop(write: &HistoryWrite) -> bool {
        matches!(write, HistoryWrite::Stop)
    }

    fn apply(
        &mut self,
        txn: &WriteTxn<'_>,
        batch: Vec<HistoryWrite>,
    ) -> Result<Vec<(Ticket, HistorySummary)>> {
        let mut done = Vec::with_capacity(batch.len());
        // In the order of arrival: headers are judged from the top down, and each segment hangs below the one before.
        for write in batch {
            done.push(match write {
                HistoryWrite::Want { ticket, blocks } => {
                    self.want(txn, blocks)?;
                    (ticket, HistorySummary::Want)
                }
                HistoryWrite::Headers { ticket, headers, response_bytes } => {
                    self.record.counters.response_bytes += response_bytes;
                    (ticket, self.apply_headers(txn, &headers)?)
                }
                HistoryWrite::Bodies { ticket, bodies, response_bytes } => {
                    self.record.counters.response_bytes += response_bytes;
                    let (written, blocks) =
                        apply_blocks(txn, &mut self.bodies, BODIES, &bodies.blocks, |body| body.raw())?;
                    self.record.counters.bodies += written;
                    (ticket, HistorySummary::Bodies { blocks })
                }
                HistoryWrite::Receipts { ticket, receipts, response_bytes } => {
                    self.record.counters.response_bytes += response_bytes;
                    let (written, blocks) =
                        apply_blocks(txn, &mut self.receipts, RECEIPTS, &receipts.blocks, |part| part.raw())?;
                    self.record.counters.receipts += written;
                    (ticket, HistorySummary::Receipts { blocks })
                }
                HistoryWrite::Stop => unreachable!("the writer takes the stop out of the batch"),
            });
        }
        txn.put(PROGRESS, &HISTORY_KEY, &self.record.encode())?;
        Ok(done)
    }
}
