//! One batch of history writes, brought into one transaction: rows, the pieces of headers, the gaps that shrink.
//!
//! Bodies and receipts are kept under number and hash, so that those of a block beside the canonical chain are there when the chain
//! comes back to it. Only canonical ones are missing, and only they fill a gap.

use alloy_primitives::B256;

use crate::{
    env::{Table, WriteTxn},
    error::{Error, Result},
    history::{
        forks,
        pieces::{Placed, place},
        proven::{ProvenBlock, ProvenHeaders},
        record::{BlockRef, HISTORY_KEY, HistoryRecord},
        snapshot::HistorySnapshot,
        spans::{BlockSpan, Spans, join},
        tables::{
            BODIES, BODY_GAPS, CANONICAL, HEADERS, NUMBERS, PROGRESS, RECEIPT_GAPS, RECEIPTS, block_key,
            number,
        },
        write::{Descent, Finality, HistorySummary, HistoryWrite, Join, Reach},
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
        // Whoever wants them may not have heard yet of a head that is lower.
        let top = self.record.held.map_or(u64::MAX, |held| held.top.number);
        let (wanted, last) = (self.record.wanted, blocks.last.min(top));
        // What was wanted first stays so.
        let first = wanted.map_or(blocks.first, |wanted| wanted.first.max(wanted.last.saturating_add(1)));
        if first > last {
            return Ok(());
        }
        let more = BlockSpan { first, last };
        self.bodies.open_but(txn, more, &held_from(txn, BODIES, first)?)?;
        self.receipts.open_but(txn, more, &held_from(txn, RECEIPTS, first)?)?;
        self.record.wanted = Some(BlockSpan { first: wanted.map_or(first, |wanted| wanted.first), last });
        Ok(())
    }

    fn apply_headers(
        &mut self,
        txn: &WriteTxn<'_>,
        headers: &ProvenHeaders,
        descent: Descent,
    ) -> Result<HistorySummary> {
        if descent == Descent::Anew {
            self.begin_anew(txn, headers)?;
        }
        let top_before = self.record.held.map_or(0, |held| held.top.number);
        let (placed, written) = place(txn, &mut self.record, headers, descent)?;
        self.record.counters.headers += written;
        let ((hash, top), (_, lowest)) = (headers.top(), headers.lowest());
        let reach = match placed {
            Placed::Down { floor, parent } => Reach::Down { floor, parent },
            Placed::Met { fork, top } => {
                if let Some(wanted) = self.record.wanted.as_mut().filter(|_| top.number < top_before) {
                    wanted.last = wanted.last.min(top.number);
                }
                Reach::Joined(self.rejoin(txn, fork, top)?)
            }
            Placed::Loose => Reach::Loose,
        };
        Ok(HistorySummary::Headers {
            top: BlockRef { number: top.number, hash: *hash },
            root: top.state_root,
            lowest: lowest.number,
            parent: lowest.parent_hash,
            reach,
        })
    }

    /// Leaves what was held for another target than this one.
    fn begin_anew(&mut self, txn: &WriteTxn<'_>, headers: &ProvenHeaders) -> Result<()> {
        let Some(held) = self.record.held.filter(|held| held.top.hash != headers.top().0) else {
            return Ok(());
        };
        for number in held.floor..=held.top.number {
            txn.delete(CANONICAL, &number.to_be_bytes())?;
        }
        for gaps in [&mut self.bodies, &mut self.receipts] {
            gaps.close_all(txn)?;
        }
        let HistoryRecord { counters, beside, .. } = self.record;
        self.record = HistoryRecord { counters, beside, ..HistoryRecord::default() };
        self.record.may_be_beside(held.floor);
        Ok(())
    }

    /// Other blocks are canonical above the fork: their bodies and receipts are missing, but for those that are held.
    fn rejoin(&mut self, txn: &WriteTxn<'_>, fork: u64, top: BlockRef) -> Result<Join> {
        let Some(above) = fork.checked_add(1).filter(|above| *above <= top.number) else {
            return Ok(Join { fork, top, bodies: Vec::new(), receipts: Vec::new() });
        };
        let (bodies, receipts) = (held_from(txn, BODIES, above)?, held_from(txn, RECEIPTS, above)?);
        if let Some(wanted) = self.record.wanted {
            let span = BlockSpan { first: wanted.first.max(above), last: wanted.last };
            for (gaps, held) in [(&mut self.bodies, &bodies), (&mut self.receipts, &receipts)] {
                gaps.close_above(txn, fork)?;
                gaps.open_but(txn, span, held)?;
            }
        }
        Ok(Join { fork, top, bodies: join(bodies), receipts: join(receipts) })
    }

    /// Some of the blocks beside the chain go, if the final block is canonical.
    fn finalize(&mut self, txn: &WriteTxn<'_>, hash: &B256, highest: u64) -> Result<Finality> {
        let Some(row) = txn.get(NUMBERS, hash.as_slice())? else { return Ok(Finality::Beside) };
        let number = number(NUMBERS.name, hash.as_slice(), &row)?;
        if txn.get(CANONICAL, &number.to_be_bytes())?.as_deref() != Some(hash.as_slice()) {
            return Ok(Finality::Beside);
        }
        if number > highest {
            return Ok(Finality::Ahead { number });
        }
        let forks::Pruned { blocks, more } = forks::prune(txn, &mut self.record, number)?;
        Ok(Finality::Reached { number, pruned: blocks, more })
    }
}

/// Numbers from one on, rising, of which the canonical block has a row in a table of its parts.
fn held_from(txn: &WriteTxn<'_>, table: &'static Table, first: u64) -> Result<Vec<u64>> {
    let mut held = Vec::new();
    let mut cursor = txn.cursor(table)?;
    let mut row = cursor.seek(&block_key(first, &B256::ZERO))?;
    while let Some((key, _)) = row {
        let Some((at, hash)) = key.split_first_chunk::<8>() else {
            return Err(Error::corrupt(table.name, &key, "the key is no block's"));
        };
        if txn.get(CANONICAL, at)?.as_deref() == Some(hash) {
            held.push(u64::from_be_bytes(*at));
        }
        row = cursor.next()?;
    }
    Ok(held)
}

/// Writes blocks whose headers are held, canonical or not; returns how many are new, and which of the answer are canonical.
fn apply_blocks<T>(
    txn: &WriteTxn<'_>,
    gaps: &mut Spans,
    table: &'static Table,
    blocks: &[ProvenBlock<T>],
    raw: impl Fn(&T) -> &[u8],
) -> Result<(u64, Vec<BlockSpan>)> {
    let (mut written, mut canonical) = (0, Vec::new());
    for block in blocks {
        let key = block_key(block.number, &block.hash);
        if txn.get(HEADERS, &key)?.is_none() {
            continue;
        }
        if txn.get(table, &key)?.is_none() {
            txn.put(table, &key, raw(&block.part))?;
            written += 1;
        }
        if txn.get(CANONICAL, &block.number.to_be_bytes())?.as_deref() == Some(block.hash.as_slice()) {
            gaps.take(txn, block.number)?;
            canonical.push(block.number);
        }
    }
    Ok((written, join(canonical)))
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
            HistoryWrite::Want { .. } | HistoryWrite::Finalize { .. } | HistoryWrite::Stop => 64,
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
                HistoryWrite::Headers { ticket, headers, descent, response_bytes } => {
                    self.record.counters.response_bytes += response_bytes;
                    (ticket, self.apply_headers(txn, &headers, descent)?)
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
                HistoryWrite::Finalize { ticket, hash, highest } => {
                    let finality = self.finalize(txn, &hash, highest)?;
                    (ticket, HistorySummary::Finalized { hash, finality })
                }
                HistoryWrite::Stop => unreachable!("the writer takes the stop out of the batch"),
            });
        }
        txn.put(PROGRESS, &HISTORY_KEY, &self.record.encode())?;
        Ok(done)
    }
}
