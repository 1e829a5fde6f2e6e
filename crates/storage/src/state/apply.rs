//! One batch of state writes, brought into one transaction: rows, nodes, the gaps that shrink, what becomes pending.
//!
//! What changes rows that are held (blocks, lists, renewals, healing) keeps its place. What comes between two of these is a segment, of which each
//! kind is written in the order of its keys: MDBX takes sorted rows several times faster. It trusts the verified types, and its mirror of the gaps,
//! which is the disk's (a failed commit ends the writer, so the two never part).

use alloy_primitives::B256;
use snapsync_trie::{Coverage, Standing, TargetId, VerifiedCodes};

use crate::{
    env::WriteTxn,
    error::{Error, Result},
    record::seal,
    state::{
        apply_healed::{self, HealedStorages},
        apply_renewal::{self, Renewed},
        apply_retreat,
        apply_runs::Runs,
        apply_storages::{self, Slots},
        block::{DerivedBlock, DerivedStorage, DerivedTrie},
        coverage::AccountCoverage,
        derivations::Derivations,
        fences::Fences,
        healed::{HealedAccounts, HealedSlots},
        list::CheckedList,
        nodes,
        pack_inserter::Inserter,
        pack_writer::{self, Change},
        packed::PackedAccounts,
        pending,
        progress::{CommitNumber, SNAP_KEY, SYNC_KEY, StateProgress, SyncRecord, TargetRecord, encode_snap},
        retreat::Retreat,
        segment::{Placed, Segment, keeps_its_place, sort},
        settle,
        snapshot::StateSnapshot,
        tables::{ACCOUNT_NODES, ACCOUNTS, CODES, PENDING_CODES, PENDING_STORAGES, PROGRESS, STORAGES},
        targets::{Answers, Targets},
        undo::{self, UndoBlock},
        write::{BlockOutcome, Done, RetreatOutcome, RetreatedBlock, Summary, Unsettled, Write},
    },
    writer::{Ledger, Ticket},
};

/// What the state's writer keeps in memory: what is held, the known targets, the record.
#[derive(Debug)]
pub(crate) struct StateLedger {
    held: AccountCoverage,
    targets: Targets,
    record: SyncRecord,
    derivations: Derivations,
    scratch: Vec<u8>,
    /// The last commit in which a row named a code that was missing. In memory only: after a restart nobody looks for codes.
    missing_named_at: CommitNumber,
}

impl Ledger for StateLedger {
    type Write = Write;
    type Summary = Summary;

    fn weight(write: &Write) -> u64 {
        write.weight()
    }

    fn is_stop(write: &Write) -> bool {
        matches!(write, Write::Stop)
    }

    fn apply(&mut self, txn: &WriteTxn<'_>, batch: Vec<Write>) -> Result<Vec<(Ticket, Summary)>> {
        self.record.commits.0 += 1;
        let mut done = Done::new();
        let mut segment = Segment::new();
        #[cfg(feature = "planted-bugs")]
        let batch = out_of_order(batch);
        let mut writes = batch.into_iter().enumerate().peekable();
        while let Some((at, write)) = writes.next() {
            if !keeps_its_place(&write) {
                segment.push((at, write));
                continue;
            }
            self.apply_segment(txn, std::mem::take(&mut segment), &mut done)?;
            match write {
                Write::Lists { ticket, lists, response_bytes } => {
                    let mut together = vec![Placed { at, ticket, write: lists }];
                    self.record.counters.response_bytes += response_bytes;
                    while let Some((at, Write::Lists { ticket, lists, response_bytes })) =
                        writes.next_if(|(_, write)| matches!(write, Write::Lists { .. }))
                    {
                        together.push(Placed { at, ticket, write: lists });
                        self.record.counters.response_bytes += response_bytes;
                    }
                    self.apply_lists(txn, together, &mut done)?;
                }
                write => {
                    let (ticket, summary) = self.apply_in_place(txn, write)?;
                    done.push((at, ticket, summary));
                }
            }
        }
        self.apply_segment(txn, segment, &mut done)?;
        txn.put(PROGRESS, &SYNC_KEY, &self.record.encode())?;
        done.sort_unstable_by_key(|(at, ..)| *at);
        Ok(done.into_iter().map(|(_, ticket, summary)| (ticket, summary)).collect())
    }
}

impl StateLedger {
    pub(crate) fn load(snapshot: &StateSnapshot) -> Result<Self> {
        Ok(Self {
            held: AccountCoverage::load(&snapshot.txn)?,
            targets: Targets::new(snapshot.targets()?),
            record: snapshot.record()?.unwrap_or_default(),
            derivations: Derivations::default(),
            scratch: Vec::new(),
            missing_named_at: CommitNumber::default(),
        })
    }

    /// Brings a write to the disk that keeps its place.
    fn apply_in_place(&mut self, txn: &WriteTxn<'_>, write: Write) -> Result<(Ticket, Summary)> {
        Ok(match write {
            Write::Block { ticket, block } => {
                let (claim, outcome) = (block.claim(), self.apply_block(txn, *block)?);
                (ticket, Summary::Block { claim, outcome })
            }
            Write::TakeBack { ticket, hash } => {
                (ticket, Summary::TakenBack { hash, outcome: self.take_back(txn, hash)? })
            }
            Write::DropCodes { ticket, hashes, seen } => (ticket, self.drop_codes(txn, hashes, seen)?),
            Write::Speaks { ticket, snap } => {
                txn.put(PROGRESS, &SNAP_KEY, &encode_snap(snap))?;
                (ticket, Summary::Speaks)
            }
            Write::Retreat { ticket, retreat, response_bytes } => {
                self.record.counters.response_bytes += response_bytes;
                (ticket, Summary::Retreated(self.retreat(txn, &retreat)?))
            }
            Write::Renewal { ticket, target, accounts, response_bytes } => {
                self.record.counters.response_bytes += response_bytes;
                (ticket, self.apply_renewal(txn, target, &accounts)?)
            }
            Write::HealedAccounts { ticket, target, healed, response_bytes } => {
                self.record.counters.response_bytes += response_bytes;
                (ticket, self.heal_accounts(txn, target, &healed)?)
            }
            Write::HealedSlots { ticket, healed, response_bytes } => {
                self.record.counters.response_bytes += response_bytes;
                (ticket, self.heal_slots(txn, &healed)?)
            }
            other => unreachable!("{other:?} is written with its kind, or with its neighbours"),
        })
    }

    /// Brings writes to the disk between which none keeps its place, each kind in the order of its keys.
    fn apply_segment(&mut self, txn: &WriteTxn<'_>, segment: Segment, done: &mut Done) -> Result<()> {
        let sorted = sort(segment);
        for placed in sorted.progress {
            let pin = placed.write.pin.map(|pin| pin.id);
            self.record_progress(txn, placed.write)?;
            done.push((placed.at, placed.ticket, Summary::Progress { pin }));
        }
        self.apply_accounts(txn, sorted.accounts, done)?;
        sorted.storages.iter().try_for_each(|proved| self.answers(proved.target).map(drop))?;
        let slots = apply_storages::apply(txn, sorted.storages, &mut self.scratch, done)?;
        self.count(slots);
        self.apply_codes(txn, sorted.codes, done)?;
        for placed in sorted.copies {
            let (summary, slots) = apply_storages::copy(txn, &placed.write)?;
            self.count(slots);
            done.push((placed.at, placed.ticket, summary));
        }
        for placed in sorted.storage_nodes {
            let (account, nodes) = placed.write;
            let commit = self.record.commits;
            let settlement =
                settle::storage(txn, &mut self.held, &mut self.derivations, commit, &account, &nodes)?;
            done.push((placed.at, placed.ticket, Summary::StorageNodes { account, settlement }));
        }
        for placed in sorted.account_nodes {
            let outcome =
                settle::accounts(txn, &self.held, &mut self.derivations, self.record.commits, &placed.write)?;
            done.push((placed.at, placed.ticket, Summary::AccountNodes { outcome }));
        }
        self.record.counters.response_bytes += sorted.response_bytes;
        Ok(())
    }

    /// Rows are worth what their target is worth, so it is written down before they are.
    fn answers(&self, target: TargetId) -> Result<Answers> {
        match self.targets.answers(target) {
            Answers::Unknown => {
                Err(Error::Refused { why: "rows that were proved at a target that is not recorded" })
            }
            answers => Ok(answers),
        }
    }

    fn count(&mut self, slots: Slots) {
        let counters = &mut self.record.counters;
        // The counter is as old as the directory, which an earlier version may have written: it is not to be trusted.
        counters.slots = counters.slots.saturating_add(slots.put).saturating_sub(slots.cleared);
    }

    fn record_progress(&mut self, txn: &WriteTxn<'_>, progress: StateProgress) -> Result<()> {
        if progress.rebuilt.is_some() && progress.rebuilt != progress.pin.map(|pin| pin.root) {
            return Err(Error::Refused { why: "a rebuilt root that is not the target's is no progress" });
        }
        if progress.rebuilt.is_some() && !settle::is_at_rest(txn)? {
            return Err(Error::Refused {
                why: "a rebuilt root of rows that have changed since, are pending, or are being mended",
            });
        }
        if let Some(pin) = progress.pin {
            self.targets.record(txn, pin)?;
        }
        if let Some(whole) = self.record.progress.whole().filter(|_| progress.whole().is_none()) {
            // What changes from now on is not kept, and what was kept would be looked at through it.
            undo::forget_all(txn)?;
            // Its root was derived from all rows, whatever was known of each before.
            self.held.replace(txn, Coverage::all(Standing::At(whole.id)))?;
            self.targets.forget_below(txn, whole.id)?;
        }
        self.record.progress = progress;
        Ok(())
    }

    /// Lists that were sent one behind the other, and the tickets of their writes; says what became of each.
    fn apply_lists(
        &mut self,
        txn: &WriteTxn<'_>,
        writes: Vec<Placed<Vec<CheckedList>>>,
        done: &mut Done,
    ) -> Result<()> {
        let counts: Vec<usize> = writes.iter().map(|placed| placed.write.len()).collect();
        let places: Vec<(usize, Ticket)> = writes.iter().map(|placed| (placed.at, placed.ticket)).collect();
        let lists: Vec<CheckedList> = writes.into_iter().flat_map(|placed| placed.write).collect();
        let (told, grown) = self.runs().apply(txn, &lists)?;
        self.count_block(grown.accounts, grown.slots);
        self.record.counters.codes += grown.codes;
        let mut told = told.into_iter();
        for ((at, ticket), count) in places.into_iter().zip(counts) {
            let (blocks, codes): (Vec<_>, Vec<_>) = told.by_ref().take(count).unzip();
            done.push((at, ticket, Summary::Lists { blocks, codes: codes.concat() }));
        }
        Ok(())
    }

    fn runs(&mut self) -> Runs<'_> {
        Runs { held: &mut self.held, targets: &mut self.targets, record: &self.record }
    }

    /// Takes a block that the chain has left off the rows that are of it.
    fn retreat(&mut self, txn: &WriteTxn<'_>, retreat: &Retreat) -> Result<RetreatedBlock> {
        let (claim, parent) = (retreat.claim(), retreat.parent());
        let mut told = RetreatedBlock {
            claim,
            parent_number: parent.number,
            outcome: RetreatOutcome::Left,
            joined: None,
            doubtful: Vec::new(),
            unsettled: Unsettled::default(),
        };
        let moves = self.targets.may_retreat(claim.hash, parent.number);
        #[cfg(feature = "planted-bugs")]
        let moves = match crate::planted::is(crate::WriterBug::RetreatTooFar) {
            true => self.targets.above(parent.number),
            false => moves,
        };
        let newest = moves.last().filter(|_| self.record.progress.whole().is_none());
        let Some(newest) = newest.copied() else { return Ok(told) };
        let doubtful = apply_retreat::doubtful(self.held.get(), newest, retreat);
        let Some(after) = self.held.doubted(&doubtful) else {
            return Ok(RetreatedBlock { outcome: RetreatOutcome::Crowded, ..told });
        };
        told.unsettled = apply_retreat::storages(txn, self.held.get(), newest, self.record.commits, retreat)?;
        self.held.replace(txn, after)?;
        told.joined = self.runs().bring(txn, &moves, &parent)?;
        Ok(RetreatedBlock { outcome: RetreatOutcome::Applied, doubtful, ..told })
    }

    /// Rows that were asked again, in the place of older ones.
    fn apply_renewal(
        &mut self,
        txn: &WriteTxn<'_>,
        target: TargetId,
        accounts: &PackedAccounts,
    ) -> Result<Summary> {
        // A whole state changes by blocks, which can be taken back.
        if self.answers(target)? == Answers::Outdated || self.record.progress.whole().is_some() {
            return Ok(Summary::Outdated);
        }
        let commit = self.record.commits;
        let Renewed { pieces, grown, storages, codes, .. } =
            apply_renewal::apply(txn, &mut self.held, commit, target, accounts)?;
        self.count_block(grown.accounts, grown.slots);
        let codes = self.missing_codes(txn, codes)?;
        Ok(Summary::Renewed { pieces, target, storages, codes })
    }

    /// Rows in which ours differed from a target's.
    fn heal_accounts(
        &mut self,
        txn: &WriteTxn<'_>,
        target: TargetId,
        healed: &HealedAccounts,
    ) -> Result<Summary> {
        // A whole state changes by blocks, which can be taken back.
        if self.answers(target)? == Answers::Outdated || self.record.progress.whole().is_some() {
            return Ok(Summary::Outdated);
        }
        if self.targets.root(target) != Some(healed.root()) {
            return Err(Error::Refused {
                why: "accounts that were compared with another root than their target's",
            });
        }
        let Renewed { grown, rows, storages, freed, codes, .. } =
            apply_healed::accounts(txn, self.held.get(), self.record.commits, target, healed)?;
        self.count_block(grown.accounts, grown.slots);
        let codes = self.missing_codes(txn, codes)?;
        Ok(Summary::HealedAccounts { target, rows, storages, freed, codes })
    }

    fn heal_slots(&mut self, txn: &WriteTxn<'_>, storages: &[HealedSlots]) -> Result<Summary> {
        let HealedStorages { grown, rows, healed, dropped } =
            apply_healed::storages(txn, self.record.commits, storages)?;
        self.count_block(0, grown);
        Ok(Summary::HealedSlots { rows, healed, dropped })
    }

    /// Rows and branches of a block, if the state is its parent's.
    fn apply_block(&mut self, txn: &WriteTxn<'_>, block: DerivedBlock) -> Result<BlockOutcome> {
        let parent = self.record.progress.whole().filter(|whole| whole.hash == block.claim().parent);
        let Some(parent) = parent else { return Ok(BlockOutcome::Left) };
        // The state is whole: nothing is missing that a pack could reach over.
        let fences = Fences::none();
        for (hash, code) in &block.codes {
            if txn.get(CODES, hash.as_slice())?.is_none() {
                txn.put(CODES, hash.as_slice(), code)?;
                self.record.counters.codes += 1;
            }
        }
        for (account, DerivedStorage { wiped, trie }) in &block.storages {
            if *wiped {
                apply_storages::clear(txn, account)?;
            }
            pack_writer::merge(txn, STORAGES, account.as_slice(), &fences, &rows(trie))?;
            for branches in &trie.branches {
                nodes::put_changes(txn, Some(account), &fences, branches)?;
            }
        }
        pack_writer::merge(txn, ACCOUNTS, &[], &fences, &rows(&block.accounts))?;
        for branches in &block.accounts.branches {
            nodes::put_changes(txn, None, &fences, branches)?;
        }
        let (accounts_more, slots_more) = (block.accounts_more, block.slots_more);
        let before = UndoBlock { hash: block.claim().hash, parent, accounts_more, slots_more };
        let keep = |rows: &Vec<_>| undo::keep(txn, block.claim().number, &before, rows);
        // Without rows of its own, what leads back to the blocks below leads nowhere.
        block.undo.as_ref().map_or_else(|| undo::forget_all(txn), keep)?;
        self.count_block(accounts_more, slots_more);
        self.stand_at(txn, block.target(parent.id))?;
        Ok(BlockOutcome::Applied)
    }

    /// Takes back the block that the state is of.
    fn take_back(&mut self, txn: &WriteTxn<'_>, hash: B256) -> Result<BlockOutcome> {
        let head = self.record.progress.whole().filter(|whole| whole.hash == hash);
        let Some(head) = head else { return Ok(BlockOutcome::Left) };
        let Some(block) = undo::take_back(txn, &head)? else { return Ok(BlockOutcome::Left) };
        self.count_block(-block.accounts_more, -block.slots_more);
        self.stand_at(txn, block.parent)?;
        Ok(BlockOutcome::Applied)
    }

    /// The state is whole, and this block's.
    fn stand_at(&mut self, txn: &WriteTxn<'_>, target: TargetRecord) -> Result<()> {
        self.targets.replace(txn, target)?;
        // Its rows changed with their branches, and without marks.
        self.derivations.write(None, self.record.commits, self.record.commits);
        let progress = self.record.progress;
        self.record.progress = StateProgress { pin: Some(target), rebuilt: Some(target.root), ..progress };
        Ok(())
    }

    fn count_block(&mut self, accounts_more: i64, slots_more: i64) {
        let counters = &mut self.record.counters;
        counters.accounts = counters.accounts.saturating_add_signed(accounts_more);
        counters.slots = counters.slots.saturating_add_signed(slots_more);
    }

    fn apply_accounts(
        &mut self,
        txn: &WriteTxn<'_>,
        mut writes: Vec<Placed<(TargetId, PackedAccounts)>>,
        done: &mut Done,
    ) -> Result<()> {
        writes.sort_unstable_by_key(|placed| placed.write.1.covered().start());
        let mut rows = Inserter::new(txn, ACCOUNTS)?;
        let mut nodes = Inserter::new(txn, ACCOUNT_NODES)?;
        let mut pendings = txn.cursor(PENDING_STORAGES)?;
        for Placed { at, ticket, write: (target, write) } in writes {
            if self.answers(target)? == Answers::Outdated {
                done.push((at, ticket, Summary::Outdated));
                continue;
            }
            let covered = write.covered();
            let pieces = self.held.fill(txn, covered, target)?;
            // Late duplicates are rare: nearly always, nothing of what is covered is held.
            let write = if pieces == [covered] { write } else { write.within(&pieces)? };
            for claim in &write.storages {
                pendings.insert(
                    claim.account.as_slice(),
                    &pending::untouched(target, self.record.commits, claim),
                )?;
            }
            rows.insert(write.rows.iter())?;
            nodes.insert(write.nodes.iter())?;
            let count = write.rows_len() as u64;
            self.record.counters.accounts += count;
            let PackedAccounts { storages, codes, .. } = write;
            let codes = self.missing_codes(txn, codes)?;
            done.push((at, ticket, Summary::Accounts { covered, target, rows: count, storages, codes }));
        }
        rows.settle()?;
        nodes.settle()
    }

    /// Those of `codes`, which rows name, that are neither held nor pending; they are pending from now on.
    fn missing_codes(
        &mut self,
        txn: &WriteTxn<'_>,
        codes: impl IntoIterator<Item = B256>,
    ) -> Result<Vec<B256>> {
        let mut missing = Vec::new();
        for hash in codes {
            let key = hash.as_slice();
            if txn.get(CODES, key)?.is_some() {
                continue;
            }
            self.missing_named_at = self.record.commits;
            if txn.get(PENDING_CODES, key)?.is_none() {
                txn.put(PENDING_CODES, key, &seal(key, &[]))?;
                missing.push(hash);
            }
        }
        Ok(missing)
    }

    /// Codes that no row of a snapshot named are not waited for, unless a row that came since may name one.
    fn drop_codes(
        &mut self,
        txn: &WriteTxn<'_>,
        mut hashes: Vec<B256>,
        seen: CommitNumber,
    ) -> Result<Summary> {
        if self.missing_named_at > seen {
            hashes.clear();
        }
        for hash in &hashes {
            txn.delete(PENDING_CODES, hash.as_slice())?;
        }
        Ok(Summary::CodesDropped { hashes })
    }

    fn apply_codes(
        &mut self,
        txn: &WriteTxn<'_>,
        writes: Vec<Placed<VerifiedCodes>>,
        done: &mut Done,
    ) -> Result<()> {
        let mut all: Vec<_> = writes.iter().flat_map(|placed| placed.write.iter()).collect();
        all.sort_unstable_by_key(|(hash, _)| *hash);
        all.dedup_by_key(|(hash, _)| *hash);
        let mut cursor = txn.cursor(CODES)?;
        for (hash, code) in all {
            // Pending is the only way in: a code that nobody waits for is a late duplicate.
            if txn.delete(PENDING_CODES, hash.as_slice())? {
                cursor.insert(hash.as_slice(), code)?;
                self.record.counters.codes += 1;
            }
        }
        for Placed { at, ticket, write } in writes {
            let found = write.iter().map(|(hash, _)| hash).collect();
            done.push((at, ticket, Summary::Codes { found }));
        }
        Ok(())
    }
}

#[cfg(feature = "planted-bugs")]
fn out_of_order(mut batch: Vec<Write>) -> Vec<Write> {
    if crate::planted::is(crate::WriterBug::BatchOutOfOrder) {
        batch.sort_by_key(|write| !matches!(write, Write::Block { .. } | Write::Lists { .. }));
    }
    batch
}

fn rows(trie: &DerivedTrie) -> Vec<Change<'_>> {
    trie.rows.iter().map(|(key, body)| Change { key: key.as_slice(), body: body.as_deref() }).collect()
}
