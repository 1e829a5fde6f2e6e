//! Peers that dialled us: how they are tried out, and what that may cost.

use std::time::Duration;

use alloy_primitives::B256;
use snapsync_peers::{Ask, Book, Config, Head, Noun, Outcome, PeerId, PeerKind, PeerNode, PeerProfile};

/// The one that we chose.
const OURS: PeerId = PeerId(1);
const NOUN: Noun = Noun::Accounts;
const ASK: Ask = Ask::State { noun: NOUN, root: B256::ZERO };

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// A book of one peer that we chose, and so many that came; they have the ids from 2 on.
fn book(strangers: u64) -> Book {
    let mut book = Book::new(Config::standing(), 7);
    let mut join = |number: u64, kind| {
        let node = PeerNode(B256::left_padding_from(&number.to_be_bytes()));
        let head = Head { number: Some(1), hash: B256::ZERO };
        let profile = PeerProfile { node, eth: 70, snap: Some(1), head, blocks: None, kind };
        book.join(ms(0), PeerId(number), profile);
    };
    join(OURS.0, PeerKind::Outbound);
    (2..2 + strangers).for_each(|number| join(number, PeerKind::Inbound));
    book
}

/// A book in which the peer that we chose has answered in so many milliseconds, and then takes all that it can.
fn busy(strangers: u64, took: u64) -> Book {
    let mut book = book(strangers);
    book.sent(OURS, NOUN);
    book.arrived(ms(0), OURS, NOUN, 100_000, 100_000, ms(took));
    book.judged(ms(0), OURS, &ASK, &Outcome::Complete);
    while book.can_take(ms(0), OURS, &ASK, &[]) {
        book.sent(OURS, NOUN);
        book.load(OURS, 512 << 10);
    }
    book
}

/// Whom requests go to until nobody takes one more.
fn send_all(book: &mut Book) -> Vec<PeerId> {
    let mut sent = Vec::new();
    while let Some(peer) = book.choose(ms(0), &ASK, &[], &[]) {
        book.sent(peer, NOUN);
        sent.push(peer);
    }
    sent
}

// ROW: F29 F38
#[test]
fn strangers_are_tried_one_at_a_time_with_one_request() {
    let mut book = busy(20, 50);
    let tried = send_all(&mut book);
    assert_eq!(tried.len(), 1, "{tried:?}");
    let stranger = tried[0];
    assert_ne!(stranger, OURS);
    // The next is tried when this one is known, and this one is asked like any other.
    book.arrived(ms(0), stranger, NOUN, 100_000, 100_000, ms(50));
    book.judged(ms(0), stranger, &ASK, &Outcome::Complete);
    let more = send_all(&mut book);
    let strange = more.iter().filter(|peer| **peer != stranger).count();
    assert_eq!(strange, 1, "{more:?}");
    assert!(more.len() > 2);
}

#[test]
fn one_that_answered_with_nothing_is_on_trial_still() {
    let mut book = busy(1, 50);
    let stranger = send_all(&mut book)[0];
    book.arrived(ms(0), stranger, Noun::Bodies, 100, 100, ms(5));
    book.judged(ms(0), stranger, &Ask::Header, &Outcome::Complete);
    assert!(book.offer(stranger, NOUN).unwrap().is_trial, "headers prove nothing for accounts");
    assert!(!book.offer(OURS, NOUN).unwrap().is_trial);
}

#[test]
fn a_trial_is_late_when_others_would_be_and_is_over_soon() {
    let book = busy(2, 200);
    let trial = book.offer(PeerId(2), NOUN).unwrap();
    // 200 ms, and four deviations of 100 ms.
    assert_eq!((trial.forecast, trial.deadline), (Some(ms(600)), ms(2_400)));
    let near = busy(2, 1).offer(PeerId(2), NOUN).unwrap();
    assert_eq!((near.forecast, near.deadline), (Some(ms(100)), ms(1_500)), "a round trip takes its time");
}

#[test]
fn nobody_is_tried_before_somebody_was_measured_nor_with_what_is_late() {
    let mut unmeasured = book(5);
    assert!(send_all(&mut unmeasured).iter().all(|peer| *peer == OURS), "nobody knows what is late");
    let mut late = busy(5, 50);
    assert_eq!(late.choose_second(ms(0), &ASK, &[], &[]), None);
    assert_eq!(late.choose_again(ms(0), &ASK, &[], &[]), None);
    assert_eq!(late.choose_soonest(ms(0), &ASK, &[], &[], 100), None);
}

// ROW: F29
#[test]
fn where_nobody_else_can_be_asked_all_strangers_are() {
    let mut alone = busy(5, 50);
    alone.leave(ms(1), OURS);
    assert!(send_all(&mut alone).len() >= 10);
    let mut silent = busy(5, 50);
    silent.timed_out(OURS, NOUN);
    assert!(send_all(&mut silent).len() >= 10, "whoever lets the time run out is no stand-in");
    let mut refused = busy(5, 50);
    refused.refuse(ms(0), OURS, B256::ZERO);
    assert!(send_all(&mut refused).len() >= 10);
    let lacking = busy(5, 50).choose_again(ms(0), &ASK, &[], &[OURS]);
    assert!(lacking.is_some(), "what only the others may have");
}
