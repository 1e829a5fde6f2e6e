//! Takes the blocks above the state, one after the other, once it was verified.
//!
//! Inbox: looks; each says that headers, bodies, lists or the state may have changed; and what the host gives and names. Outbox: steps to the
//! planner, which has them written, and whether lists are wanted.
//! Owns: the follower, which executes blocks or applies their lists. Ends when: the planner drops its looks.
//!
//! What it goes by is on the disk: the block that the state is of, which blocks are canonical, their bodies. Only the blocks that it has taken
//! itself are not there yet: the next one is derived over them while they are written, several in one transaction. Whatever else changes the
//! state waits until they are. It writes nothing, and fetches nothing.

use std::sync::Arc;

use crossbeam_channel::{Receiver, TryRecvError, never, select};
use snapsync_execute::Error as ExecuteError;
use snapsync_sync::Head;

use crate::{
    blocks_above::BlockFollower,
    calls::Call,
    notices,
    taking::{Look, Step},
    work::{Gone, Report},
};

/// Blocks that are taken and not on the disk: enough for a transaction that is written, one that is gathered, and what comes meanwhile.
const AHEAD_MAX: usize = 128;

impl BlockFollower {
    /// Runs until nobody tells it to look any more.
    pub(crate) fn run(mut self, looks: &Receiver<Look>, mut calls: Receiver<Call>) {
        loop {
            // BLOCKING: until there may be something to do, or whoever waits for a head has waited long enough.
            let done = select! {
                recv(looks) -> look => match look {
                    Ok(look) => self.go_on(look, looks, &calls),
                    Err(_) => return,
                },
                recv(calls) -> call => match call {
                    Ok(call) => self.answer(call),
                    Err(_) => {
                        calls = never();
                        Ok(())
                    }
                },
                default(self.patience()) => self.settle(),
            };
            if done.is_err() {
                return;
            }
        }
    }

    /// Takes one step after the other, for as long as there is one. The host is answered between two of them.
    fn go_on(&mut self, look: Look, looks: &Receiver<Look>, calls: &Receiver<Call>) -> Result<(), Gone> {
        let mut look = Ok(look);
        loop {
            if let Ok(call) = calls.try_recv() {
                self.answer(call)?;
            }
            match look {
                Ok(Look::Anew) => (self.left, self.ahead) = (None, Arc::default()),
                Ok(Look::Changed) | Err(TryRecvError::Empty) => {}
                Err(TryRecvError::Disconnected) => return Err(Gone),
            }
            let wish = self.waiting.wish();
            let step = self.next();
            self.settle()?;
            let other = Some(self.waiting.wish()).filter(|other| *other != wish);
            other.map_or(Ok(()), |wish| self.outbox.report(Report::ListsAbove(wish)))?;
            match step {
                Ok(Some(step)) => self.outbox.report(Report::Followed(step))?,
                Ok(None) => return Ok(()),
                Err(error) => self.outbox.failed(error)?,
            }
            look = looks.try_recv();
        }
    }

    /// Whether so many blocks are on their way to the disk that no more are taken.
    fn is_far_ahead(&self) -> bool {
        self.ahead.len() >= AHEAD_MAX
            || self.ahead.bytes_held() > self.ahead_bytes_max && !self.ahead.is_empty()
    }

    /// What is to be done, if anything is.
    fn next(&mut self) -> snapsync_storage::Result<Option<Step>> {
        let Some(state) = self.state()? else { return Ok(None) };
        let Some(at) = state.whole()? else { return Ok(None) };
        if self.is_far_ahead() {
            return Ok(None);
        }
        let history = self.readers.history.snapshot()?;
        if history.canonical(at.number)? != Some(at.hash) {
            if self.left == Some(at.hash) || !self.ahead.is_empty() {
                return Ok(None);
            }
            self.left = Some(at.hash);
            let parent = state.below_newest()?.map(|parent| notices::pin(parent).target);
            return Ok(Some(match parent {
                Some(parent) => Step::TakeBack { block: at.hash, parent },
                None => Step::Stranded { block: at.hash },
            }));
        }
        let number = at.number.saturating_add(1);
        let (parent, now) = (self.readers.header(&history, &at.hash)?, self.started.elapsed());
        let Some(hash) = history.canonical(number)? else {
            self.waiting.stand(now, &self.follower, &parent);
            return Ok(None);
        };
        let body = history.body(&hash)?;
        if body.is_some()
            && let Some(taken) = self.candidates.take(&hash)
        {
            Arc::make_mut(&mut self.ahead).push(&taken.derived);
            return Ok(Some(Step::Taken(taken)));
        }
        if self.refused.is_some_and(|refused| refused.hash == hash) {
            self.waiting.stop();
            return Ok(None);
        }
        let header = self.readers.header(&history, &hash)?;
        let list = self.outbox.lists_above.of(&hash).or_else(|| self.payloads.list(&hash));
        if !self.waiting.is_due(now, &self.follower, &header, list.is_some()) {
            return Ok(None);
        }
        let Some(body) = body else { return Ok(None) };
        if let Some(taken) = self.take_stretch(&state, &history, &parent)? {
            drop(state);
            Arc::make_mut(&mut self.ahead).push(&taken.derived);
            return Ok(Some(Step::Taken(taken)));
        }
        let block = Head { number, hash };
        let step = match self.read(header, body)? {
            // A canonical block's canonical ancestors are its own.
            Ok(read) => self.take(&state, &history, &read, &parent, list.as_ref()),
            Err(bad) => Err(bad.into()),
        };
        drop(state);
        Ok(Some(match step {
            Ok(taken) => {
                Arc::make_mut(&mut self.ahead).push(&taken.derived);
                Step::Taken(taken)
            }
            Err(ExecuteError::Disk(error)) => return Err(error),
            Err(ExecuteError::Bad(bad)) => {
                self.refused = Some(block);
                self.remember_bad(hash, at.hash, bad.to_string());
                Step::Refused { block, reason: bad.to_string() }
            }
            Err(other) => {
                let now = self.started.elapsed();
                self.waiting.failed(now, &self.follower, hash, list.is_some());
                Step::Failed { block, reason: other.to_string() }
            }
        }))
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, path::Path};

    use alloy_primitives::{Address, B256, Bytes, U256};
    use crossbeam_channel::unbounded;
    use snapsync_execute::{Follower, Fork, Forks};
    use snapsync_keccak::keccak256;
    use snapsync_storage::{
        Chain, Config, Descent, HistoryWrite, Open, ProvenBodies, ProvenHeaders, StateProgress, Store,
        TargetRecord, Ticket, UNDO_BLOCKS_MAX, Write,
    };
    use snapsync_stream::RequestId;
    use snapsync_trie::{Account, Builder, EMPTY_ROOT, TargetId};
    use snapsync_wire::{Body, Header, HeaderFields};

    use super::*;
    use crate::{
        blocks_above::Parts,
        events::TakenBy,
        lists_above::ListsAbove,
        payloads::Payloads,
        readers::{Readers, Tickets},
        work::Outbox,
    };

    /// Blocks so deep that they may be brought together.
    const DEEP: u64 = 3;

    fn address(number: u64) -> Address {
        Address::left_padding_from(&number.to_be_bytes())
    }

    /// The list of a block that gave somebody a wei.
    fn list(number: u64) -> Bytes {
        // One account: its address, slots written, slots read, balances, nonces, codes.
        let mut raw = vec![0xde, 0xdd, 0x94];
        raw.extend_from_slice(address(number).as_slice());
        raw.extend_from_slice(&[0xc0, 0xc0, 0xc3, 0xc2, 0x01, 0x01, 0xc0, 0xc0]);
        raw.into()
    }

    /// The root of a state in which each of so many has a wei.
    fn root(blocks: u64) -> B256 {
        let account = Account { balance: U256::ONE, ..Account::EMPTY };
        let keys: BTreeMap<B256, Account> =
            (1..=blocks).map(|number| (keccak256(address(number).as_slice()), account)).collect();
        let mut builder = Builder::new();
        keys.iter().for_each(|(key, account)| builder.push_leaf(*key, &account.to_rlp()));
        builder.finish().root
    }

    fn header(number: u64, parent_hash: B256, state_root: B256) -> Header {
        Header::made(&HeaderFields {
            gas_limit: 30_000_000,
            timestamp: 12 * number,
            ommers_hash: keccak256(&[0xc0]),
            transactions_root: EMPTY_ROOT,
            withdrawals_root: Some(EMPTY_ROOT),
            slot_number: Some(number),
            ..HeaderFields::amsterdam(number, parent_hash, state_root, keccak256(&list(number)))
        })
    }

    /// Blocks 0 and up, of which so many may be brought together; `wrong` claims another root than its list leads to.
    fn chain(wrong: Option<u64>) -> Vec<Header> {
        let mut chain = vec![header(0, B256::ZERO, EMPTY_ROOT)];
        for number in 1..=DEEP + UNDO_BLOCKS_MAX {
            let state_root = if wrong == Some(number) { B256::repeat_byte(7) } else { root(number) };
            chain.push(header(number, chain[chain.len() - 1].hash(), state_root));
        }
        chain
    }

    /// A store that has these headers, the bodies above the first, and the first one's state, which is empty.
    fn store(dir: &Path, chain: &[Header]) -> Store {
        let store =
            Store::open(&Config::small(dir), Chain { id: 1, genesis: chain[0].hash() }).expect("a store");
        let mut steps = store.history.writer_steps(Box::new(Open)).expect("a writer");
        let ticket = Ticket(1);
        let falling: Vec<Header> = chain.iter().rev().cloned().collect();
        let headers = ProvenHeaders::prove(falling[0].hash(), None, falling).expect("they hang together");
        let headers = HistoryWrite::Headers { ticket, headers, descent: Descent::Begins, response_bytes: 0 };
        steps.commit(vec![headers]).expect("room");
        // Neither transactions nor ommers nor withdrawals.
        let body = Body::decode(&Bytes::from_static(&[0xc3, 0xc0, 0xc0, 0xc0])).expect("a body");
        for header in &chain[1..] {
            let bodies =
                ProvenBodies::prove(std::slice::from_ref(header), vec![body.clone()]).expect("its own");
            steps.commit(vec![HistoryWrite::Bodies { ticket, bodies, response_bytes: 0 }]).expect("room");
        }
        drop(steps);
        let mut steps = store.state.writer_steps(Box::new(Open)).expect("a writer");
        let (id, hash, root) = (TargetId(0), chain[0].hash(), EMPTY_ROOT);
        let pin = Some(TargetRecord { id, number: 0, hash, root });
        let progress = StateProgress { pin, phase: 3, rebuilt: Some(root) };
        steps.commit(vec![Write::Progress { ticket, progress }]).expect("room");
        drop(steps);
        store
    }

    fn follower(store: &Store, chain: &[Header]) -> BlockFollower {
        let lists_above = ListsAbove::default();
        for block in &chain[1..] {
            lists_above.put(RequestId(1), (block.number, block.hash()), list(block.number));
        }
        let (reports, state, history) = (unbounded().0, unbounded().0, unbounded().0);
        let readers =
            Readers { state: store.state.clone(), history: store.history.clone(), tickets: Tickets::new() };
        BlockFollower::new(Parts {
            follower: Follower::applying_lists(Forks::since_genesis(1, Fork::Amsterdam)),
            readers,
            outbox: Outbox { reports, state, history, lists_above, hashed: Arc::default() },
            payloads: Payloads::new(1 << 20),
            genesis: chain[0].hash(),
            haste: Default::default(),
            bytes_max: 1 << 20,
            stretch_bytes_max: 1 << 20,
        })
    }

    /// Which blocks the next step takes, and how.
    fn taken(worker: &mut BlockFollower) -> Vec<(u64, TakenBy)> {
        match worker.next().expect("our own disk") {
            Some(Step::Taken(taken)) => taken.told.iter().map(|told| (told.block.number, told.by)).collect(),
            other => panic!("{other:?}"),
        }
    }

    // ROW: F8
    #[test]
    fn blocks_too_deep_to_be_taken_back_are_taken_together_and_those_above_one_by_one() {
        let dir = tempfile::tempdir().expect("a directory");
        let chain = chain(None);
        let store = store(dir.path(), &chain);
        let mut worker = follower(&store, &chain);
        let together: Vec<_> = (1..=DEEP).map(|number| (number, TakenBy::Lists)).collect();
        assert_eq!(taken(&mut worker), together);
        assert_eq!(taken(&mut worker), [(DEEP + 1, TakenBy::List)]);
    }

    #[test]
    fn where_blocks_do_not_come_to_their_root_together_they_are_taken_one_by_one_until_the_bad_one_shows() {
        let dir = tempfile::tempdir().expect("a directory");
        let chain = chain(Some(DEEP));
        let store = store(dir.path(), &chain);
        let mut worker = follower(&store, &chain);
        for number in 1..DEEP {
            assert_eq!(taken(&mut worker), [(number, TakenBy::List)]);
        }
        let step = worker.next().expect("our own disk");
        assert!(matches!(step, Some(Step::Refused { block, .. }) if block.number == DEEP), "{step:?}");
    }
}
