//! What a broken range costs, and what of a peer outlives its connection.

use std::time::Duration;

use alloy_primitives::B256;
use snapsync_peers::{
    Ask, Book, Config, Delivery, Fault, Head, Noun, Outcome, PeerId, PeerKind, PeerNode, PeerProfile,
    RangeFault, Score,
};
use snapsync_sync::BlockRange;

const FIRST: PeerId = PeerId(1);
const SECOND: PeerId = PeerId(2);

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn join(book: &mut Book, now: u64, peer: PeerId, node: u8) {
    let profile = PeerProfile {
        node: PeerNode(B256::repeat_byte(node)),
        eth: 69,
        snap: Some(1),
        head: Head { number: Some(1000), hash: B256::ZERO },
        blocks: BlockRange::new(0, 1000),
        kind: PeerKind::Static,
    };
    book.join(ms(now), peer, profile);
}

fn book(peers: u8) -> Book {
    let mut book = Book::new(Config::standing(), 7);
    (1..=peers).for_each(|peer| join(&mut book, 0, PeerId(u64::from(peer)), peer));
    book
}

fn accounts() -> Ask {
    Ask::State { noun: Noun::Accounts, root: B256::repeat_byte(1) }
}

fn broken() -> Outcome {
    Outcome::Invalid(Fault::Range(RangeFault::NotEmpty { origin: B256::ZERO }))
}

fn asked(book: &mut Book, now: u64) -> Option<PeerId> {
    book.choose(ms(now), &accounts(), &[], &[])
}

#[test]
fn a_range_that_a_race_may_have_broken_costs_no_score_and_a_pause() {
    let mut book = book(1);
    assert_eq!(book.judged(ms(1000), FIRST, &accounts(), &broken()), None);
    assert_eq!(book.points(FIRST), Some(Score::START));
    assert_eq!(book.summary()[0].faults["not_empty"], 1);
    assert_eq!(asked(&mut book, 1249), None);
    assert_eq!(book.next_change(ms(1000)), Some(ms(1250)));
    assert_eq!(asked(&mut book, 1250), Some(FIRST));
    // Codes and blocks are proved by their hashes, which no race breaks.
    assert_eq!(book.choose(ms(1000), &Ask::Codes, &[], &[]), Some(FIRST));
    // One range at a time until one is proved.
    book.sent(FIRST, Noun::Accounts);
    assert_eq!(asked(&mut book, 1300), None);
    book.arrived(ms(0), FIRST, Noun::Accounts, 1000, 1000, ms(10));
    book.judged(ms(1400), FIRST, &accounts(), &Outcome::Complete);
    for _ in 0..2 {
        assert_eq!(asked(&mut book, 1400), Some(FIRST));
        book.sent(FIRST, Noun::Accounts);
    }
}

#[test]
fn what_no_race_explains_is_charged_at_once() {
    for fault in [
        Fault::Range(RangeFault::EmptyValue { key: B256::ZERO }),
        Fault::Range(RangeFault::SwappedOrder { before: B256::ZERO, key: B256::ZERO }),
        Fault::Range(RangeFault::Unproven { origin: B256::repeat_byte(1) }),
    ] {
        let mut book = book(1);
        let outcome = Outcome::Invalid(fault.clone());
        assert_eq!(book.judged(ms(0), FIRST, &accounts(), &outcome), Some(fault));
    }
    // A code has one hash, whatever block is imported.
    let mut book = book(1);
    let fault = Fault::Range(RangeFault::WrongCode { hash: B256::ZERO });
    assert!(book.judged(ms(0), FIRST, &Ask::Codes, &Outcome::Invalid(fault)).is_some());
}

#[test]
fn who_finds_nothing_at_the_first_key_may_have_met_a_race() {
    let mut book = book(1);
    let fault = Fault::Range(RangeFault::Unproven { origin: B256::ZERO });
    assert_eq!(book.judged(ms(0), FIRST, &accounts(), &Outcome::Invalid(fault)), None);
    assert_eq!(book.points(FIRST), Some(Score::START));
}

#[test]
fn eight_broken_ranges_in_a_row_set_a_peer_aside() {
    let mut book = book(1);
    for nth in 1..=8 {
        assert!(!book.all_refuse(&accounts(), &[]), "after {} broken ranges", nth - 1);
        book.judged(ms(nth * 10_000), FIRST, &accounts(), &broken());
    }
    assert!(book.all_refuse(&accounts(), &[]), "it counts as one that lacks the root");
    assert_eq!(asked(&mut book, 80_999), None);
    assert_eq!(asked(&mut book, 81_000), Some(FIRST), "and is tried each second while nobody else is there");
    join(&mut book, 80_000, SECOND, 2);
    book.sent(SECOND, Noun::Accounts);
    (0..20)
        .for_each(|_| assert_eq!(asked(&mut book, 111_999), Some(SECOND), "who is not alone waits longer"));
    book.leave(ms(112_000), SECOND);
    assert_eq!(asked(&mut book, 112_000), Some(FIRST));
    book.judged(ms(112_000), FIRST, &accounts(), &Outcome::Partial);
    assert!(!book.all_refuse(&accounts(), &[]));
}

#[test]
fn who_breaks_what_others_prove_and_proves_nothing_is_a_liar() {
    let mut book = book(2);
    let lies = |book: &mut Book| (1..=8).find(|_| book.contradicted(FIRST).is_some());
    (0..8).for_each(|_| drop(book.judged(ms(0), FIRST, &accounts(), &broken())));
    assert_eq!(lies(&mut book), Some(8));
    assert!(!book.is_open(FIRST));
    let mut honest = book_with_one_proved();
    (0..8).for_each(|_| drop(honest.judged(ms(0), FIRST, &accounts(), &broken())));
    assert_eq!((lies(&mut honest), lies(&mut honest)), (None, None));
}

fn book_with_one_proved() -> Book {
    let mut book = book(2);
    book.judged(ms(0), FIRST, &accounts(), &Outcome::Complete);
    book
}

#[test]
fn a_peer_that_comes_back_has_the_score_it_left_with_and_is_not_new() {
    let mut book = book(2);
    for peer in [FIRST, SECOND] {
        book.arrived(ms(0), peer, Noun::Accounts, 100_000, 100_000, ms(10));
    }
    book.charge(FIRST, Fault::Unsolicited { id: 1 });
    book.judged(ms(1900), FIRST, &accounts(), &broken());
    book.leave(ms(1950), FIRST);
    join(&mut book, 2000, PeerId(3), 1);
    assert_eq!(book.points(PeerId(3)), Some(Score::START - 20));
    assert_eq!(book.summary().last().unwrap().faults["not_empty"], 1);
    // A stranger would be tried out before all others.
    (0..20).for_each(|_| assert_eq!(asked(&mut book, 2100), Some(SECOND)));
    join(&mut book, 2100, PeerId(4), 4);
    assert_eq!(asked(&mut book, 2100), Some(PeerId(4)));
}

#[test]
fn a_liar_that_comes_back_is_still_ignored_until_its_points_heal() {
    let mut book = book(1);
    book.charge(FIRST, Fault::WrongBody { number: 1 });
    let points = book.points(FIRST).unwrap();
    book.leave(ms(0), FIRST);
    join(&mut book, 1000, SECOND, 1);
    assert_eq!(asked(&mut book, 1000), None);
    let healed = u64::try_from(-points).unwrap() * Config::standing().recovery_ms;
    book.tick(ms(healed));
    assert_eq!(asked(&mut book, healed), Some(SECOND));
}

#[test]
fn a_peer_whose_line_was_down_is_asked_again_as_the_last_of_all() {
    let mut config = Config::standing();
    config.silent_timeouts = 2;
    let mut book = Book::new(config, 7);
    join(&mut book, 0, FIRST, 1);
    book.timed_out(FIRST, Noun::Accounts);
    book.timed_out(FIRST, Noun::Accounts);
    assert!(matches!(book.fallen_silent(ms(50)), Some((FIRST, Fault::Silent { .. }))));
    book.leave(ms(100), FIRST);
    join(&mut book, 200, SECOND, 1);
    assert_eq!(book.points(SECOND), Some(Score::LINE));
    assert_eq!(asked(&mut book, 200), Some(SECOND));
}

#[test]
fn a_peer_that_gives_a_row_an_answer_does_not_win_the_end() {
    let mut book = book(2);
    // Both lines are alike; the second peer's answers hold a hundredth of what they should.
    for at in 1..=20u64 {
        for (peer, bytes) in [(FIRST, 64_000), (SECOND, 640)] {
            let delivery = Delivery { sent_at: ms(at * 100 - 90), expected_bytes: 0, bytes };
            let took = if peer == FIRST { 10 } else { 1 };
            book.arrived(ms(0), peer, Noun::Accounts, 64_000, bytes, ms(took));
            book.delivered(ms(at * 100 - 90 + took), peer, Noun::Accounts, &delivery);
            book.yielded(peer, bytes, 64_000);
        }
    }
    let soonest = book.choose_soonest(ms(3000), &accounts(), &[], &[], 64_000);
    assert_eq!(soonest, Some(FIRST));
}
