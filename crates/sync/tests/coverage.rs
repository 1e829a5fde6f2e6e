//! Any interleaving of what becomes durable covers the key space exactly once, restarts included.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::{collections::BTreeMap, time::Duration};

use alloy_primitives::{B256, U256};
use proptest::prelude::*;
use snapsync_sync::{
    Config, Effect, Engine, Event, HashRange, HeaderReach, HeaderSegment, Job, JobId, Journal, Phase, Report,
    StorageClaim, TargetId, Ticket,
};
use snapsync_trie::Gaps;

const NOW: Duration = Duration::ZERO;

fn hash(number: u64) -> B256 {
    B256::from(U256::from(number + 1).to_be_bytes())
}

/// Job streams as far as this test needs them, and durable events that wait to be told in any order.
struct Plant {
    engine: Engine,
    accounts: BTreeMap<JobId, HashRange>,
    others: BTreeMap<JobId, Job>,
    untold: Vec<Event>,
    missing: Gaps,
    twice: bool,
    complete: bool,
    storages: u64,
    settled: u64,
    splits: u64,
}

impl Plant {
    fn new() -> Self {
        let mut config = Config::standing(hash(0));
        config.storage_claims = 8;
        config.codes_per_job = 4;
        config.blocks_per_job = 3;
        let mut plant = Self {
            engine: Engine::new(config),
            accounts: BTreeMap::new(),
            others: BTreeMap::new(),
            untold: Vec::new(),
            missing: Gaps::full(),
            twice: false,
            complete: false,
            storages: 0,
            settled: 0,
            splits: 0,
        };
        plant.tell(Event::TargetNamed { hash: hash(9) });
        plant
    }

    fn tell(&mut self, event: Event) {
        self.engine.handle(NOW, event);
        while let Some(effect) = self.engine.poll() {
            match effect {
                Effect::Start { id, job: Job::Accounts { range, .. } } => {
                    self.accounts.insert(id, range);
                }
                Effect::Start { id, job } => {
                    self.others.insert(id, job);
                }
                Effect::Shorten { id, last } => {
                    self.splits += 1;
                    if let Some(range) = self.accounts.remove(&id)
                        && let Some(shorter) = HashRange::new(range.start(), last)
                    {
                        self.accounts.insert(id, shorter);
                    }
                }
                Effect::CopyStorage { accounts, .. } => {
                    self.untold.push(Event::StoragesCopied { settled: accounts, refused: Vec::new() });
                }
                Effect::Rebuild { root, .. } => self.untold.push(Event::Rebuilt { root }),
                Effect::RebuildStorage { account, expected } => {
                    self.untold.push(Event::StorageRebuilt { account, root: expected });
                }
                Effect::Report(Report::Complete(_)) => self.complete = true,
                Effect::Report(Report::Fatal(fatal)) => panic!("{fatal}"),
                _ => {}
            }
        }
    }

    /// One answer of an account stream: a 2^-`bits` part of the key space, or what is left.
    fn fetch(&mut self, job: JobId, bits: usize) {
        let range = self.accounts.remove(&job).unwrap();
        let step = U256::MAX >> bits;
        let end = U256::from_be_bytes(range.start().0).saturating_add(step);
        let last = B256::from(end.to_be_bytes()).min(range.last());
        let covered = HashRange::new(range.start(), last).unwrap();
        self.twice |= !self.missing.covers(&covered);
        self.missing.remove(covered);
        let next = HashRange::after(last);
        if let Some(rest) = next.and_then(|next| HashRange::new(next, range.last())) {
            self.accounts.insert(job, rest);
        }
        let number = self.storages;
        self.storages += 1;
        let claim = StorageClaim { account: covered.start(), root: hash(number % 5) };
        self.untold.push(Event::AccountsDurable {
            job,
            ticket: Ticket(0),
            covered,
            target: TargetId(1),
            storages: vec![claim],
            codes: vec![hash(number % 40)],
        });
        self.tell(Event::Fetched { job, next: next.unwrap_or(B256::repeat_byte(0xff)) });
    }

    fn answer(&mut self, job: JobId) {
        let ticket = Ticket(0);
        let event = match self.others.remove(&job).unwrap() {
            Job::Storages { claims, .. } => {
                self.settled += claims.len() as u64;
                let settled = claims.iter().map(|claim| claim.account).collect();
                Event::StoragesDurable { job, ticket, settled, partial: None }
            }
            Job::Codes { hashes } => Event::CodesDurable { job, ticket, found: hashes },
            Job::Headers { top, floor } => {
                let (top, lowest) = match top {
                    snapsync_sync::HeaderTop::Named { .. } => (9, 9),
                    snapsync_sync::HeaderTop::Linked { number, .. } => (number, floor),
                };
                let (hash, root, parent) = (hash(top), hash(77), hash(lowest - 1));
                let segment = HeaderSegment { top, hash, root, lowest, parent };
                let reach = HeaderReach::Down(segment.floor());
                Event::HeadersDurable { job, ticket, segment, reach }
            }
            Job::Bodies { blocks } => Event::BodiesDurable { job, ticket, blocks: vec![blocks] },
            Job::Receipts { blocks } => Event::ReceiptsDurable { job, ticket, blocks: vec![blocks] },
            Job::Accounts { .. }
            | Job::Renewal { .. }
            | Job::StorageRange { .. }
            | Job::HealAccounts { .. }
            | Job::HealStorages { .. }
            | Job::Lists { .. }
            | Job::ListsAbove { .. }
            | Job::LeftList { .. } => unreachable!("not started here"),
        };
        self.untold.push(event);
    }

    /// One step: fetch, answer or tell, as `draw` says.
    fn step(&mut self, draw: u64, bits: usize) -> bool {
        let choices = self.accounts.len() + self.others.len() + self.untold.len();
        if choices == 0 {
            return false;
        }
        let mut at = (draw % choices as u64) as usize;
        if at < self.accounts.len() {
            let job = *self.accounts.keys().nth(at).unwrap();
            self.fetch(job, bits);
            return true;
        }
        at -= self.accounts.len();
        if at < self.others.len() {
            let job = *self.others.keys().nth(at).unwrap();
            self.answer(job);
            return true;
        }
        let event = self.untold.swap_remove(at - self.others.len());
        self.tell(event);
        true
    }

    /// A kill: what was not told is lost, and the journal says what is durable.
    fn restart(&mut self, held: &Held) {
        let journal = held.journal(&self.engine);
        self.missing = journal.accounts.gaps().collect();
        self.accounts.clear();
        self.others.clear();
        self.untold.clear();
        self.engine = Engine::resume(self.engine.config().clone(), journal);
        let target = self.engine.pin().map_or(hash(9), |pin| pin.target.hash);
        self.tell(Event::TargetNamed { hash: target });
    }
}

/// What the disk of this test holds: for state it is what the engine was told, so it is read back from there.
struct Held;

impl Held {
    fn journal(&self, engine: &Engine) -> Journal {
        let mut journal = Journal::fresh();
        journal.pin = engine.pin();
        journal.phase = engine.phase();
        if journal.pin.is_some() {
            journal.accounts = engine.account_coverage().clone();
            journal.bodies = engine.progress().blocks.into_iter().collect();
            journal.receipts = journal.bodies.clone();
        }
        journal
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_interleaving_covers_the_key_space_once(draws in prop::collection::vec((any::<u64>(), 0usize..3), 50), size in 3usize..11, seed: u64) {
        let mut plant = Plant::new();
        let mut steps = 0u64;
        let mut at = seed;
        loop {
            let (draw, bits) = draws[steps as usize % draws.len()];
            at = at.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(draw | 1);
            if !plant.step(at >> 7, size + bits) {
                break;
            }
            steps += 1;
            prop_assert!(steps < 100_000, "it does not end");
        }
        prop_assert!(plant.complete, "{:?} {:?}", plant.engine.phase(), plant.engine.tally());
        prop_assert!(!plant.twice, "a key was fetched twice");
        prop_assert!(plant.missing.is_empty());
        prop_assert!(plant.settled < plant.storages, "equal roots are fetched once");
    }

    #[test]
    fn a_restart_fetches_only_what_is_missing(draws in prop::collection::vec((any::<u64>(), 0usize..3), 50), size in 5usize..9, kill in 1u64..400) {
        let mut plant = Plant::new();
        let mut at = kill;
        let mut steps = 0u64;
        loop {
            let (draw, bits) = draws[steps as usize % draws.len()];
            at = at.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(draw | 1);
            if steps == kill {
                plant.restart(&Held);
            }
            if !plant.step(at >> 7, size + bits) {
                break;
            }
            steps += 1;
            prop_assert!(steps < 100_000, "it does not end");
        }
        prop_assert_eq!(plant.engine.phase(), Phase::Complete);
        prop_assert!(!plant.twice && plant.missing.is_empty());
    }
}

#[test]
fn uneven_progress_is_evened_out_by_splits() {
    let mut plant = Plant::new();
    // The highest choice first: what waits is told at once, and the newest account job runs ahead of the others.
    while plant.step(u64::MAX / 3, 11) {}
    assert!(plant.complete && !plant.twice && plant.missing.is_empty());
    assert!(plant.splits > 0);
}
