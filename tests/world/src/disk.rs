//! The disk that crashes: what is durable. What is queued, and will be lost, is with the `writers`.
//!
//! The writes of a batch become durable together or not at all, which is what the database promises. Rows and the claims that they
//! imply (gaps, pendings) change in one step. The disk plans nothing and checks no proof: `truth` compares it with the truth.

use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use alloy_primitives::B256;
use snapsync_storage::{CheckedList, Descent, PackedAccounts, PackedStorages, ProvenReceipts, Retreat};
use snapsync_stream::RequestId;
use snapsync_sync::{
    BlockRange, Coverage, Event, HeaderSegment, JobId, PartialStorage, PendingStorage, Pin, Progress,
    StorageClaim, Target, TargetId, Ticket,
};
use snapsync_trie::{EMPTY_CODE, EMPTY_ROOT, HashRange, VerifiedCodes};

use crate::{
    answer::Entry,
    chain::{Header, Rows},
    healed::Changed,
    healing::{Healed, ProvenHealed},
    ledger::Ledger,
    listed::Listed,
    renewal::Renewed,
    states::States,
    tries::{Leaf, derive},
    twin::{self, Twin},
    writers::Env,
};

/// Slots of one account that an answer proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProvenSet {
    /// Which of the claims.
    pub claim: StorageClaim,
    /// Where these are all the slots.
    pub covered: HashRange,
    /// The slots.
    pub rows: Vec<Entry>,
}

/// What one judged answer gives to the disk.
#[derive(Clone, Debug)]
pub enum Chunk {
    /// Accounts of a range.
    Accounts {
        /// Where no account is unknown any more.
        covered: HashRange,
        /// The accounts.
        rows: Vec<Entry>,
        /// The same as the product's prover packs them, where rows are real.
        proven: Option<PackedAccounts>,
    },
    /// An account that was held already, of a newer target.
    Renewal {
        /// Its key.
        covered: HashRange,
        /// The account, if it is there.
        rows: Vec<Entry>,
        /// The same as the product's prover packs it, where rows are real.
        proven: Option<PackedAccounts>,
    },
    /// Storages.
    Storages {
        /// Sets with their ranges.
        sets: Vec<ProvenSet>,
        /// The cut one.
        partial: Option<PartialStorage>,
        /// The same as the product's prover packs them, where rows are real.
        proven: Option<PackedStorages>,
    },
    /// What differed of other states' tries.
    Nodes {
        /// Rows, trie by trie.
        healed: Vec<Healed>,
        /// The same as the product's prover packs them.
        proven: ProvenHealed,
    },
    /// Codes.
    Codes {
        /// Their hashes.
        hashes: Vec<B256>,
        /// The codes, where rows are real.
        proven: Option<VerifiedCodes>,
    },
    /// Access lists.
    Lists {
        /// With their blocks, rising.
        lists: Vec<Listed>,
        /// The same as the product's prover checks them.
        proven: Vec<CheckedList>,
    },
    /// The access list of a block that the chain has left.
    Retreat {
        /// With the block.
        listed: Listed,
        /// The block before it.
        parent: Target,
        /// The same as the product's prover checks it.
        proven: Box<Retreat>,
    },
    /// Headers.
    Headers {
        /// Their ends.
        segment: HeaderSegment,
        /// The headers.
        headers: Vec<Header>,
        /// What they are to those that are held.
        descent: Descent,
    },
    /// Bodies.
    Bodies {
        /// Of the blocks with these headers, rising.
        blocks: Vec<Header>,
    },
    /// Receipts.
    Receipts {
        /// Of the blocks with these headers, rising.
        blocks: Vec<Header>,
        /// The same from the product's prover, where rows are real.
        proven: Option<ProvenReceipts>,
    },
}

/// Something for the writer.
#[derive(Clone, Debug)]
pub enum Write {
    /// A proved answer.
    Chunk {
        /// The job that it belongs to.
        job: JobId,
        /// The request.
        request: RequestId,
        /// The target that it was asked of, for state.
        target: TargetId,
        /// What it holds.
        chunk: Chunk,
    },
    /// The record of a sync as a whole; the blocks that it wants go to the history's writer.
    Record(Progress),
    /// Open gaps of bodies and receipts, as at each start.
    Want(BlockRange),
    /// Blocks beside the chain go, up to a final one.
    Finalize {
        /// The final block.
        hash: B256,
        /// Its highest number.
        highest: u64,
    },
    /// Copies of a storage.
    Copy {
        /// From.
        donor: StorageClaim,
        /// To.
        accounts: Vec<B256>,
    },
    /// Derive a storage trie.
    RebuildStorage {
        /// Of.
        account: B256,
        /// What it must give.
        expected: B256,
    },
    /// Derive a storage trie whose root is owed.
    TakeRoot {
        /// Of.
        account: B256,
    },
    /// Derive the account trie.
    Rebuild,
}

impl Write {
    /// Whether it brings access lists, or takes a block off.
    #[must_use]
    pub fn is_list(&self) -> bool {
        matches!(self, Self::Chunk { chunk: Chunk::Lists { .. } | Chunk::Retreat { .. }, .. })
    }

    /// Whose it is.
    #[must_use]
    pub fn env(&self) -> Env {
        match self {
            Self::Chunk {
                chunk: Chunk::Headers { .. } | Chunk::Bodies { .. } | Chunk::Receipts { .. },
                ..
            }
            | Self::Want(_)
            | Self::Finalize { .. } => Env::History,
            _ => Env::State,
        }
    }
}

/// What is durable.
#[derive(Clone, Debug, Default)]
pub struct Held {
    /// Account rows.
    pub accounts: Rows,
    /// Slots by account. Settled copies share their rows, as pages of a file would be cached once.
    pub slots: BTreeMap<B256, Rc<Rows>>,
    /// Codes.
    pub codes: BTreeSet<B256>,
    /// Where accounts are known, and of which target.
    pub coverage: Coverage,
    /// Storages that are not settled.
    pub pending: BTreeMap<B256, PendingStorage>,
    /// Codes that are named by rows and not held.
    pub pending_codes: BTreeSet<B256>,
    /// Headers, bodies and receipts.
    pub ledger: Ledger,
    /// The record.
    pub progress: Option<Progress>,
    /// All targets that were recorded, and have not become one with newer ones.
    pub targets: BTreeMap<TargetId, Pin>,
    /// Of these, those whose rows lists have brought on: to which block.
    pub brought: BTreeMap<TargetId, Target>,
}

impl Held {
    /// Codes came, whether or not rows wait for them.
    fn found(&mut self, hashes: &[B256]) {
        for hash in hashes {
            self.pending_codes.remove(hash);
            self.codes.insert(*hash);
        }
    }
}

/// Durable data.
#[derive(Debug, Default)]
pub struct Disk {
    /// What survives.
    pub held: Held,
    /// The real writer, where rows are real.
    pub twin: Option<Twin>,
    /// Accounts whose row, or one of whose slots, has decayed.
    pub rotten: BTreeSet<B256>,
    /// Commits so far.
    pub commits: u64,
    /// Rows that came although they were held already: the price of crashes and of multi-fetch.
    pub rows_twice: u64,
}

impl Disk {
    /// The power goes.
    pub fn crash(&mut self) -> Result<(), String> {
        match &mut self.twin {
            Some(twin) => {
                twin.crash()?;
                twin.agrees(&self.held)
            }
            None => Ok(()),
        }
    }

    /// One transaction of an environment; what to tell the machine when it is durable.
    pub fn commit(&mut self, truth: &States, env: Env, batch: Vec<Write>) -> Result<Vec<Event>, String> {
        self.commits += 1;
        self.check_targets(&batch)?;
        let real = self.twin.as_mut().map(|twin| twin.commit(&batch, env)).transpose()?;
        let model: Vec<Option<Event>> = batch.into_iter().map(|write| self.apply(write, truth)).collect();
        let (Some(real), Some(twin)) = (real, &self.twin) else {
            return Ok(model.into_iter().flatten().collect());
        };
        twin.agrees(&self.held)?;
        let agreed: Result<Vec<Option<Event>>, String> =
            model.into_iter().zip(real).map(|(model, real)| twin::agreed(model, real)).collect();
        Ok(agreed?.into_iter().flatten().collect())
    }

    /// Rows are worth what their target is worth, so it is recorded before they are written, or with them.
    fn check_targets(&self, batch: &[Write]) -> Result<(), String> {
        let recorded = |id: TargetId| {
            let records = |write: &Write| matches!(write, Write::Record(Progress { pin: Some(pin), .. }) if pin.id == id);
            // What has become one with a newer one was.
            self.held.targets.last_key_value().is_some_and(|(newest, _)| id <= *newest)
                || batch.iter().any(records)
        };
        let unknown =
            batch.iter().find_map(|write| match write {
                Write::Chunk {
                    target,
                    chunk:
                        Chunk::Accounts { .. }
                        | Chunk::Renewal { .. }
                        | Chunk::Storages { .. }
                        | Chunk::Nodes { .. },
                    ..
                } => (!recorded(*target)).then_some(*target),
                _ => None,
            });
        unknown.map_or(Ok(()), |target| Err(format!("rows of {target:?} are written, which is not recorded")))
    }

    fn apply(&mut self, write: Write, truth: &States) -> Option<Event> {
        match write {
            Write::Record(progress) => {
                let pin = progress.pin.map(|pin| pin.id);
                self.held.targets.extend(progress.pin.map(|pin| (pin.id, pin)));
                self.held.progress = Some(progress);
                Some(Event::Recorded { pin })
            }
            Write::Chunk { job, request, target, chunk } => {
                Some(self.apply_chunk(job, request.into(), target, chunk, truth))
            }
            Write::Want(blocks) => {
                self.held.ledger.want(blocks);
                None
            }
            Write::Finalize { hash, highest } => {
                let finality = self.held.ledger.finalize(hash, highest);
                Some(Event::Pruned { hash, finality })
            }
            Write::Copy { donor, accounts } => Some(self.copy(donor, accounts, truth)),
            Write::RebuildStorage { account, .. } => self.derived(account, truth),
            Write::TakeRoot { account } => {
                let owes = self.held.pending.get(&account).is_some_and(|pending| pending.expected.is_none());
                owes.then(|| self.derived(account, truth)).flatten()
            }
            Write::Rebuild if self.held.pending.is_empty() => {
                Some(Event::Rebuilt { root: derive(truth.flavour(), Leaf::Account, &self.held.accounts) })
            }
            Write::Rebuild => Some(Event::Rederive { account: None }),
        }
    }
    /// A storage's trie is derived, if all of it is there.
    fn derived(&mut self, account: B256, truth: &States) -> Option<Event> {
        let pending = self.held.pending.get(&account).filter(|pending| pending.is_filled())?.clone();
        let empty = Rows::new();
        let rows = self.held.slots.get(&account).map_or(&empty, Rc::as_ref);
        let root = derive(truth.flavour(), Leaf::Slot, rows);
        if pending.expected == Some(root) {
            self.held.pending.remove(&account);
        } else if !pending.is_of_one_target() {
            return Some(self.held.take(&pending, root));
        }
        Some(Event::StorageRebuilt { account, root })
    }

    fn apply_chunk(
        &mut self,
        job: JobId,
        ticket: Ticket,
        target: TargetId,
        chunk: Chunk,
        truth: &States,
    ) -> Event {
        match chunk {
            Chunk::Accounts { .. }
            | Chunk::Renewal { .. }
            | Chunk::Nodes { proven: ProvenHealed::Accounts(_), .. }
                if self.held.is_outdated(target) =>
            {
                Event::Outdated { job, ticket }
            }
            Chunk::Lists { lists, .. } => {
                let (blocks, codes) = self.held.bring(&lists);
                Event::ListsApplied { job, ticket, blocks, codes }
            }
            Chunk::Retreat { listed, parent, .. } => {
                let retreated = self.held.retreat(&listed, parent);
                Event::Retreated { job, ticket, retreated }
            }
            Chunk::Accounts { covered, rows, .. } => {
                let (storages, codes) = self.accounts(target, covered, rows, truth);
                Event::AccountsDurable { job, ticket, covered, target, storages, codes }
            }
            Chunk::Renewal { covered, rows, .. } => {
                let renewed = self.held.renew(target, covered, rows, truth);
                let Some(Renewed { pieces, storages, codes }) = renewed else {
                    return Event::Outdated { job, ticket };
                };
                Event::AccountsRenewed { job, ticket, pieces, target, storages, codes }
            }
            Chunk::Storages { sets, partial, .. } => {
                let (settled, parts) = self.storages(sets);
                let partial = partial.filter(|partial| parts.contains(&partial.account));
                Event::StoragesDurable { job, ticket, settled, partial }
            }
            Chunk::Nodes { healed, proven: ProvenHealed::Accounts(_) } => {
                match self.held.heal_accounts(target, &healed, truth) {
                    None => Event::Outdated { job, ticket },
                    Some(Changed { storages, freed, codes }) => {
                        Event::AccountsHealed { job, ticket, target, storages, freed, codes }
                    }
                }
            }
            Chunk::Nodes { healed, proven: ProvenHealed::Slots(_) } => {
                self.held.heal_slots(&healed);
                Event::SlotsHealed { job, ticket }
            }
            Chunk::Codes { hashes, .. } => {
                self.held.found(&hashes);
                Event::CodesDurable { job, ticket, found: hashes }
            }
            Chunk::Headers { segment, headers, descent } => {
                let reach = self.held.ledger.place(&segment, &headers, descent);
                Event::HeadersDurable { job, ticket, segment, reach }
            }
            Chunk::Bodies { blocks } => {
                let blocks = self.held.ledger.keep_bodies(&blocks);
                Event::BodiesDurable { job, ticket, blocks }
            }
            Chunk::Receipts { blocks, .. } => {
                let blocks = self.held.ledger.keep_receipts(&blocks);
                Event::ReceiptsDurable { job, ticket, blocks }
            }
        }
    }

    /// Writes accounts, shrinks the gap and notes what the new rows imply.
    fn accounts(
        &mut self,
        target: TargetId,
        covered: HashRange,
        rows: Vec<Entry>,
        truth: &States,
    ) -> (Vec<StorageClaim>, Vec<B256>) {
        let (mut storages, mut codes) = (Vec::new(), BTreeSet::new());
        for (key, row) in rows {
            if self.held.coverage.at(key).is_held() {
                self.rows_twice += 1;
                continue;
            }
            // What a proved row claims is what the truth says: `truth` has compared the bytes.
            let Some(account) = truth.account(&key, &row) else { continue };
            if account.storage_root != EMPTY_ROOT {
                let claim = StorageClaim { account: key, root: account.storage_root };
                self.held.pending.insert(key, PendingStorage::untouched(claim, target));
                storages.push(claim);
            }
            if account.code_hash != EMPTY_CODE
                && !self.held.codes.contains(&account.code_hash)
                && self.held.pending_codes.insert(account.code_hash)
            {
                codes.insert(account.code_hash);
            }
            self.held.accounts.insert(key, row);
        }
        self.held.coverage.fill(covered, target);
        (storages, codes.into_iter().collect())
    }

    /// Writes slots; says which accounts are settled by whole sets, and of which a part is here. What an account does not
    /// claim any more is dropped.
    fn storages(&mut self, sets: Vec<ProvenSet>) -> (Vec<B256>, Vec<B256>) {
        let (mut settled, mut parts) = (Vec::new(), Vec::new());
        for set in sets {
            let account = set.claim.account;
            let whole = set.covered == HashRange::FULL;
            let Some(pending) = self.held.pending.get_mut(&account) else {
                settled.extend(whole.then_some(account));
                let held = self.held.slots.get(&account);
                let is_held = |(key, _): &&Entry| held.is_some_and(|rows| rows.contains_key(key));
                self.rows_twice += set.rows.iter().filter(is_held).count() as u64;
                continue;
            };
            if !pending.waits_for(&set.claim) {
                continue;
            }
            let rows = Rc::make_mut(self.held.slots.entry(account).or_default());
            self.rows_twice +=
                set.rows.iter().filter(|(key, _)| pending.parts.at(*key).is_held()).count() as u64;
            if whole {
                *rows = set.rows.into_iter().collect();
                self.held.pending.remove(&account);
                settled.push(account);
                continue;
            }
            let pieces = pending.fill(set.covered, pending.target);
            let is_new = |(key, _): &Entry| pieces.iter().any(|piece| piece.contains(key));
            rows.extend(set.rows.into_iter().filter(is_new));
            parts.push(account);
        }
        (settled, parts)
    }

    fn copy(&mut self, donor: StorageClaim, accounts: Vec<B256>, truth: &States) -> Event {
        let claims = self.held.claimed_root(&donor.account, truth) == donor.root;
        let is_settled = claims && !self.held.pending.contains_key(&donor.account);
        let rows = self.held.slots.get(&donor.account).filter(|_| is_settled).cloned();
        let (mut settled, mut refused) = (Vec::new(), Vec::new());
        for account in accounts {
            let same =
                self.held.pending.get(&account).is_some_and(|pending| pending.expected == Some(donor.root));
            match &rows {
                Some(rows) if same => {
                    self.held.slots.insert(account, Rc::clone(rows));
                    self.held.pending.remove(&account);
                    settled.push(account);
                }
                _ => refused.push(account),
            }
        }
        settled.sort_unstable();
        Event::StoragesCopied { settled, refused }
    }
}
