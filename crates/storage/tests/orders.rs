//! What whoever plans sends the writer does not wait for the rows that queue before it.

#![expect(clippy::unwrap_used, reason = "what is not there fails the test")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use snapsync_storage::{
    Chain, CommitGate, Config, Notice, StateProgress, Store, Summary, Ticket, Verdict, Write,
};

/// Lets a commit through when it is told to.
struct Held(Receiver<()>);

impl CommitGate for Held {
    fn before_commit(&mut self, _number: u64) -> Verdict {
        self.0.recv().unwrap();
        Verdict::Pass
    }
}

/// Counts commits.
#[derive(Clone, Default)]
struct Counted(Arc<AtomicU64>);

impl CommitGate for Counted {
    fn before_commit(&mut self, _number: u64) -> Verdict {
        self.0.fetch_add(1, SeqCst);
        Verdict::Pass
    }
}

fn write(ticket: u64) -> Write {
    let progress = StateProgress { pin: None, phase: 1, rebuilt: None };
    Write::Progress { ticket: Ticket(ticket), progress }
}

#[test]
fn record_does_not_wait_for_the_writes_that_queue_and_a_stop_loses_none() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = Config::small(dir.path());
    // One write a commit.
    config.state.batch_max_bytes = 1;
    let store = Store::open(&config, Chain { id: 1, genesis: alloy_primitives::B256::ZERO }).unwrap();
    let ((open, gate), (tell, notices)): ((Sender<()>, _), _) = (bounded(0), unbounded());
    let notify = Box::new(move |notice: Notice<Summary>| tell.send(notice).unwrap());
    let writer = store.state.writer_behind(&config, Box::new(Held(gate)), notify).unwrap();
    // The first is in the writer's hands once its commit waits at the gate; before that it is uncertain what comes first.
    writer.send(write(1)).unwrap();
    open.send(()).unwrap();
    writer.send(write(2)).unwrap();
    let committed = |notice: Notice<Summary>| match notice {
        Notice::Committed { ticket, .. } => ticket.0,
        failed @ Notice::Failed { .. } => panic!("{failed:?}"),
    };
    assert_eq!(committed(notices.recv().unwrap()), 1);
    for ticket in 3..9 {
        writer.send(write(ticket)).unwrap();
    }
    writer.try_order(write(100)).unwrap();
    writer.send(Write::Stop).unwrap();
    let mut order = Vec::new();
    for _ in 2..=9 {
        open.send(()).unwrap();
        order.push(committed(notices.recv().unwrap()));
    }
    writer.join().unwrap();
    // The second may have been in its hands as well.
    let at = order.iter().position(|ticket| *ticket == 100).unwrap();
    assert!(at <= 1, "{order:?}");
    order.remove(at);
    assert_eq!(order, [2, 3, 4, 5, 6, 7, 8]);
}

#[test]
fn batch_waits_for_more_writes_unless_somebody_waits_for_it() {
    let commits = |is_waited_for: bool| {
        let dir = tempfile::tempdir().unwrap();
        let mut config = Config::small(dir.path());
        // Longer than any test.
        config.state.batch_max_wait = Duration::from_secs(86_400);
        let store = Store::open(&config, Chain { id: 1, genesis: alloy_primitives::B256::ZERO }).unwrap();
        let (tell, notices) = unbounded();
        let notify = Box::new(move |notice: Notice<Summary>| tell.send(notice).unwrap());
        let counted = Counted::default();
        let writer = store.state.writer_behind(&config, Box::new(counted.clone()), notify).unwrap();
        writer.haste().set(is_waited_for);
        writer.send(write(1)).unwrap();
        if is_waited_for {
            // It is committed though nothing follows.
            notices.recv_timeout(Duration::from_secs(60)).unwrap();
        }
        writer.send(write(2)).unwrap();
        writer.send(Write::Stop).unwrap();
        writer.join().unwrap();
        counted.0.load(SeqCst)
    };
    assert_eq!(commits(false), 1, "both writes together");
    assert_eq!(commits(true), 2);
}
