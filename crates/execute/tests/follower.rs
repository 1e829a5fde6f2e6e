//! Blocks by the ways that are there: what an executor's failure costs, and what it does not.

#![allow(clippy::unwrap_used, reason = "a failing test may panic anywhere")]

mod lab;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use alloy_primitives::Bytes;
use lab::{COUNTER, Draft, Lab, RICH, legacy, signed};
use snapsync_execute::{
    Block, BlockExecutor, Error, Executed, Follower, Fork, ParentState, Rules, Taken, TakenBy,
    evm::{Config, EvmExecutor},
};
use snapsync_wire::Header;

const PAUSE: Duration = Duration::from_secs(60);

/// An executor that fails while it is told to, and counts how often it is asked.
struct Failing {
    inner: EvmExecutor,
    fails: Arc<AtomicBool>,
    asked: Arc<AtomicU64>,
}

impl BlockExecutor for Failing {
    fn execute(
        &mut self,
        rules: &Rules,
        block: &Block,
        parent: &Header,
        state: &mut dyn ParentState,
    ) -> Result<Executed, Error> {
        self.asked.fetch_add(1, SeqCst);
        if self.fails.load(SeqCst) {
            return Err(Error::Host("the machine is out of order".into()));
        }
        self.inner.execute(rules, block, parent, state)
    }
}

/// A chain whose blocks call the counter, and whoever takes them.
struct Story {
    lab: Lab,
    follower: Follower,
    fails: Arc<AtomicBool>,
    asked: Arc<AtomicU64>,
}

impl Story {
    fn new(fork: Fork, follower: impl FnOnce(&Lab, Box<Failing>) -> Follower) -> Self {
        let lab = Lab::at(fork);
        let (fails, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let inner = EvmExecutor::new(Config { sender_threads: 1, code_bytes_max: 1 << 16 });
        let failing = Failing { inner, fails: fails.clone(), asked: asked.clone() };
        let follower = follower(&lab, Box::new(failing));
        Self { lab, follower, fails, asked }
    }

    fn either(fork: Fork) -> Self {
        Self::new(fork, |lab, executor| Follower::executing_or_applying(lab.forks.clone(), executor, PAUSE))
    }

    /// The next block and its list, if it has one.
    fn next(&mut self) -> (Draft, Option<Bytes>) {
        let nonce = self.lab.nonce();
        let draft = self.lab.with(vec![signed(RICH, legacy(nonce, COUNTER))]);
        let list = self.lab.raw(&draft.block()).unwrap().access_list;
        (draft, list)
    }

    fn take(&mut self, seconds: u64, draft: &Draft, list: Option<&Bytes>) -> Result<Taken, Error> {
        let (parent, snapshot) = (self.lab.parent(), self.lab.snapshot());
        let now = Duration::from_secs(seconds);
        self.follower.take(now, &draft.block(), &parent, list, &snapshot, &self.lab.hashes)
    }

    /// Takes the next block and writes it; whether it was executed, and whether an executor failed at it.
    fn step(&mut self, seconds: u64) -> (bool, bool) {
        let (draft, list) = self.next();
        let Taken { derived, by } = self.take(seconds, &draft, list.as_ref()).unwrap();
        self.lab.write(derived);
        self.lab.head = draft.fields.clone();
        self.lab.hashes.push(draft.block().hash());
        assert_eq!(self.lab.slot(COUNTER, 0).to::<u64>(), draft.fields.number);
        match by {
            TakenBy::Execution { receipts } => (receipts.len() == 1, false),
            TakenBy::List { failure } => (false, failure.is_some()),
        }
    }

    fn asked(&self) -> u64 {
        self.asked.load(SeqCst)
    }
}

// ROW: F8
#[test]
fn an_executor_that_fails_once_rests_while_lists_go_on_and_is_asked_again_later() {
    let mut story = Story::either(Fork::Amsterdam);
    assert_eq!(story.step(0), (true, false));
    story.fails.store(true, SeqCst);
    assert_eq!(story.step(12), (false, true));
    story.fails.store(false, SeqCst);
    for seconds in [24, 36, 48, 60, 71] {
        assert!(story.follower.wants_list(Duration::from_secs(seconds)));
        assert_eq!(story.step(seconds), (false, false), "it rests at {seconds} s");
    }
    assert_eq!(story.asked(), 2);
    assert!(!story.follower.wants_list(Duration::from_secs(72)));
    assert_eq!(story.step(72), (true, false));
    assert_eq!(story.step(84), (true, false));
}

#[test]
fn an_executor_that_stays_broken_is_tried_once_a_pause() {
    let mut story = Story::either(Fork::Amsterdam);
    story.fails.store(true, SeqCst);
    let failed: Vec<u64> = (0..20).map(|block| block * 12).filter(|at| story.step(*at).1).collect();
    assert_eq!(failed, [0, 60, 120, 180]);
}

#[test]
fn without_a_list_the_executor_is_asked_though_it_rests() {
    let mut story = Story::either(Fork::Osaka);
    let (draft, list) = story.next();
    assert!(list.is_none());
    story.fails.store(true, SeqCst);
    let told = story.take(0, &draft, None);
    assert!(matches!(told, Err(Error::Host(_))), "{told:?}");
    story.fails.store(false, SeqCst);
    assert_eq!(story.step(1), (true, false));
    assert!(!story.follower.wants_list(Duration::from_secs(2)), "it works again");
}

#[test]
fn a_list_makes_no_block_good_that_was_found_bad() {
    let mut story = Story::either(Fork::Amsterdam);
    let (mut draft, list) = story.next();
    draft.fields.gas_used += 1;
    let told = story.take(0, &draft, list.as_ref()).unwrap_err();
    assert!(told.bad_block().is_some(), "{told}");
    assert!(!story.follower.wants_list(Duration::from_secs(1)), "the executor did what it should");
}

#[test]
fn a_wrong_list_is_told_from_a_failing_executor() {
    let mut story = Story::either(Fork::Amsterdam);
    let (draft, _) = story.next();
    story.fails.store(true, SeqCst);
    let told = story.take(0, &draft, Some(&Bytes::from_static(&[0xc0])));
    assert!(matches!(told, Err(Error::List(_))), "{told:?}");
}

#[test]
fn each_way_alone_takes_no_other() {
    let mut story = Story::new(Fork::Amsterdam, |lab, _| Follower::applying_lists(lab.forks.clone()));
    assert!(story.follower.wants_list(Duration::ZERO));
    assert_eq!((story.step(0), story.asked()), ((false, false), 0));
    let (draft, _) = story.next();
    let told = story.take(1, &draft, None);
    assert!(matches!(told, Err(Error::ListAwaited { .. })), "{told:?}");
    let mut story = Story::new(Fork::Osaka, |lab, _| Follower::applying_lists(lab.forks.clone()));
    let (draft, _) = story.next();
    let told = story.take(0, &draft, None);
    assert!(matches!(told, Err(Error::List(_))), "{told:?}");

    let mut story =
        Story::new(Fork::Amsterdam, |lab, executor| Follower::executing(lab.forks.clone(), executor));
    assert_eq!(story.step(0), (true, false));
    story.fails.store(true, SeqCst);
    let (draft, list) = story.next();
    let told = story.take(1, &draft, list.as_ref());
    assert!(matches!(told, Err(Error::Host(_))), "{told:?}");
}
