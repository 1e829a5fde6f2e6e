//! Exact sequences of scores, sizes and deadlines, and draws within tolerance.

use std::{collections::BTreeMap, time::Duration};

use alloy_primitives::B256;
use snapsync_peers::{
    Ask, Book, Config, Fault, Head, Noun, Outcome, PeerId, PeerKind, PeerNode, PeerProfile, Regard, Score,
};
use snapsync_sync::BlockRange;

const PEER: PeerId = PeerId(1);

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn profile_of(node: u8, kind: PeerKind) -> PeerProfile {
    let head = Head { number: Some(1000), hash: B256::ZERO };
    let node = PeerNode(B256::repeat_byte(node));
    PeerProfile { node, eth: 69, snap: Some(1), head, blocks: BlockRange::new(100, 1000), kind }
}

fn profile(kind: PeerKind) -> PeerProfile {
    profile_of(1, kind)
}

fn root(byte: u8) -> B256 {
    B256::repeat_byte(byte)
}

fn accounts() -> Ask {
    Ask::State { noun: Noun::Accounts, root: root(1) }
}

fn bodies(number: u64) -> Ask {
    Ask::Blocks { noun: Noun::Bodies, blocks: BlockRange { first: number, last: number } }
}

fn book(kinds: &[PeerKind]) -> Book {
    // Few requests at a time and a wide window, so that limits are met by count and not by bytes.
    let mut config = Config::standing();
    (config.flights_static, config.flights_outbound, config.flights_inbound) = (4, 3, 2);
    (config.window_first_bytes, config.window_min_bytes) = (8 << 20, 8 << 20);
    let mut book = Book::new(config, 7);
    for (index, kind) in kinds.iter().enumerate() {
        book.join(Duration::ZERO, PeerId(index as u64 + 1), profile_of(index as u8 + 1, *kind));
    }
    book
}

#[test]
fn scores_follow_the_table() {
    let mut book = book(&[PeerKind::Static]);
    let mut points = Vec::new();
    let mut note = |book: &Book| points.push(book.points(PEER).unwrap());
    note(&book);
    book.judged(ms(0), PEER, &accounts(), &Outcome::Complete);
    note(&book);
    book.judged(ms(0), PEER, &accounts(), &Outcome::Unavailable);
    note(&book);
    book.timed_out(PEER, Noun::Accounts);
    note(&book);
    book.charge(PEER, Fault::Duplicate { id: 1 });
    note(&book);
    assert_eq!(book.charge(PEER, Fault::Unsolicited { id: 2 }), None);
    note(&book);
    let fault = Fault::Unsolicited { id: 3 };
    assert_eq!(book.charge(PEER, fault.clone()), Some(fault.clone()), "below the line: hang up");
    note(&book);
    assert_eq!(book.charge(PEER, fault), None, "told once");
    assert_eq!(points, vec![50, 51, 51, 41, 21, 1, -19]);
}

#[test]
fn no_past_buys_a_lie() {
    let mut book = book(&[PeerKind::Static]);
    for _ in 0..1000 {
        book.judged(ms(0), PEER, &accounts(), &Outcome::Complete);
    }
    assert_eq!(book.points(PEER), Some(Score::MAX));
    let lie = Fault::WrongBody { number: 5 };
    assert_eq!(book.judged(ms(0), PEER, &bodies(5), &Outcome::Invalid(lie.clone())), Some(lie));
}

/// A book of so many peers, of which the first was late six times.
fn book_with_a_late_peer(peers: u8) -> Book {
    let mut config = Config::standing();
    config.silent_timeouts = 100;
    let mut book = Book::new(config, 1);
    for nth in 1..=peers {
        book.join(Duration::ZERO, PeerId(u64::from(nth)), profile_of(nth, PeerKind::Static));
    }
    for _ in 0..6 {
        book.timed_out(PEER, Noun::Accounts);
    }
    assert_eq!(book.points(PEER), Some(-10));
    assert_eq!(book.summary()[0].regard, Regard::Ignored);
    book
}

#[test]
fn an_ignored_peer_recovers_with_time() {
    let mut book = book_with_a_late_peer(2);
    assert!(!book.will_take(ms(0), PEER, &accounts()));
    assert_eq!(book.next_change(ms(0)), Some(ms(100_000)), "ten points at ten seconds each");
    book.tick(ms(99_999));
    assert!(!book.will_take(ms(99_999), PEER, &accounts()));
    book.tick(ms(100_000));
    assert!(book.will_take(ms(100_000), PEER, &accounts()));
    // Recovery ends where a new peer starts.
    book.tick(ms(10_000_000));
    assert_eq!(book.points(PEER), Some(Score::START));
}

#[test]
fn who_was_late_is_asked_where_nobody_else_has_the_same() {
    let mut alone = book_with_a_late_peer(1);
    assert_eq!(alone.choose(ms(0), &accounts(), &[], &[]), Some(PEER));
    let mut book = book_with_a_late_peer(2);
    assert!(!book.will_take(ms(0), PEER, &accounts()));
    // The other one has no such state; bodies it has.
    book.refuse(ms(0), PeerId(2), root(1));
    assert!(book.will_take(ms(0), PEER, &accounts()) && !book.will_take(ms(0), PEER, &bodies(500)));
    assert_eq!(book.choose(ms(0), &accounts(), &[], &[]), Some(PEER));
    assert_eq!(
        book.choose(ms(0), &bodies(500), &[], &[PeerId(2)]),
        Some(PEER),
        "the other one has refused these"
    );
    // It is worth no more trust for that.
    book.charge(PEER, Fault::WrongBody { number: 500 });
    assert_eq!(book.choose(ms(0), &accounts(), &[], &[]), None);
}

#[test]
fn a_refused_root_is_not_asked_again_until_it_expires() {
    let mut book = book(&[PeerKind::Static]);
    book.refuse(ms(0), PEER, root(1));
    assert_eq!(book.choose(ms(14_999), &accounts(), &[], &[]), None);
    let other = Ask::State { noun: Noun::Accounts, root: root(2) };
    assert_eq!(book.choose(ms(0), &other, &[], &[]), Some(PEER));
    assert_eq!(book.next_change(ms(0)), Some(ms(15_000)));
    assert_eq!(book.choose(ms(15_000), &accounts(), &[], &[]), Some(PEER));
}

#[test]
fn all_refuse_needs_a_peer_and_each_of_them() {
    let mut book = book(&[PeerKind::Static, PeerKind::Static]);
    assert!(!Book::new(Config::standing(), 1).all_refuse(&accounts(), &[]));
    book.refuse(ms(0), PeerId(1), root(1));
    assert!(!book.all_refuse(&accounts(), &[]));
    assert!(book.all_refuse(&accounts(), &[PeerId(2)]));
    book.refuse(ms(0), PeerId(2), root(1));
    assert!(book.all_refuse(&accounts(), &[]));
    // An expired refusal may be asked again, and stands until the peer gives something.
    book.tick(ms(60_000));
    assert!(book.all_refuse(&accounts(), &[]));
    book.judged(ms(0), PeerId(2), &accounts(), &Outcome::Partial);
    assert!(!book.all_refuse(&accounts(), &[]));
}

#[test]
fn blocks_are_asked_only_of_who_has_them() {
    let mut book = book(&[PeerKind::Static]);
    assert_eq!(book.choose(ms(0), &bodies(99), &[], &[]), None, "pruned");
    assert_eq!(book.choose(ms(0), &bodies(100), &[], &[]), Some(PEER));
    assert_eq!(book.choose(ms(0), &bodies(1033), &[], &[]), None, "not there yet");
    book.update(PEER, BlockRange { first: 100, last: 1033 }, Head { number: Some(1033), hash: B256::ZERO });
    assert_eq!(book.choose(ms(0), &bodies(1033), &[], &[]), Some(PEER));
    let header = Ask::Blocks { noun: Noun::Headers, blocks: BlockRange { first: 5, last: 5 } };
    assert_eq!(book.choose(ms(0), &header, &[], &[]), Some(PEER), "headers are not pruned");
}

#[test]
fn flights_end_at_the_limit_of_their_kind() {
    for (kind, max) in [(PeerKind::Static, 4), (PeerKind::Outbound, 3), (PeerKind::Inbound, 2)] {
        let mut book = book(&[kind]);
        for _ in 0..max {
            let peer = book.choose(ms(0), &accounts(), &[], &[]).unwrap();
            book.sent(peer, Noun::Accounts);
        }
        assert_eq!(book.choose(ms(0), &accounts(), &[], &[]), None);
        book.arrived(ms(0), PEER, Noun::Accounts, 1000, 1000, ms(50));
        assert_eq!(book.choose(ms(0), &accounts(), &[], &[]), Some(PEER));
    }
}

#[test]
fn state_leaves_history_a_slot_and_the_other_way_round() {
    let mut book = book(&[PeerKind::Inbound]);
    book.sent(PEER, Noun::Bodies);
    assert_eq!(book.choose(ms(0), &bodies(500), &[accounts()], &[]), None);
    assert_eq!(book.choose(ms(0), &accounts(), &[bodies(500)], &[]), Some(PEER));
    assert_eq!(book.choose(ms(0), &bodies(500), &[], &[]), Some(PEER));
}

#[test]
fn every_peer_is_kept_at_two_before_any_gets_a_third() {
    let mut book = book(&[PeerKind::Static, PeerKind::Static, PeerKind::Outbound]);
    let mut flights: BTreeMap<PeerId, usize> = BTreeMap::new();
    for _ in 0..6 {
        let peer = book.choose(ms(0), &accounts(), &[], &[]).unwrap();
        book.sent(peer, Noun::Accounts);
        *flights.entry(peer).or_default() += 1;
    }
    assert_eq!(flights.values().copied().collect::<Vec<_>>(), vec![2, 2, 2]);
}

#[test]
fn a_peer_that_was_never_tried_with_a_noun_comes_first_with_one_request() {
    let mut book = book(&[PeerKind::Static; 3]);
    for peer in [PeerId(1), PeerId(2)] {
        book.arrived(ms(0), peer, Noun::Accounts, 100_000, 10_000_000, ms(10));
    }
    // Busy with another noun, and still first.
    for _ in 0..3 {
        book.sent(PeerId(3), Noun::Storages);
    }
    assert_eq!(book.choose(ms(0), &accounts(), &[], &[]), Some(PeerId(3)));
    book.sent(PeerId(3), Noun::Accounts);
    book.arrived(ms(0), PeerId(3), Noun::Storages, 1000, 1000, ms(10));
    assert_ne!(book.choose(ms(0), &accounts(), &[], &[]), Some(PeerId(3)), "one at a time");
    // No answer is an answer, too.
    book.timed_out(PeerId(3), Noun::Accounts);
    book.arrived(ms(0), PeerId(3), Noun::Storages, 1000, 1000, ms(10));
    let drawn: Vec<PeerId> = (0..100).map(|_| book.choose(ms(0), &accounts(), &[], &[]).unwrap()).collect();
    assert!(drawn.iter().filter(|peer| **peer == PeerId(3)).count() < 20, "{drawn:?}");
    assert_eq!(book.choose(ms(0), &bodies(500), &[], &[PeerId(1), PeerId(2)]), Some(PeerId(3)));
}

#[test]
fn a_late_request_tries_nobody_out() {
    let mut book = book(&[PeerKind::Static; 2]);
    book.arrived(ms(0), PeerId(1), Noun::Accounts, 100_000, 1_000_000_000, ms(1));
    let second = |book: &mut Book| book.choose_second(ms(0), &accounts(), &[], &[]).unwrap();
    let drawn: Vec<PeerId> = (0..100).map(|_| second(&mut book)).collect();
    assert!(drawn.iter().filter(|peer| **peer == PeerId(1)).count() > 90, "the proven one is far faster");
    assert_eq!(book.choose(ms(0), &accounts(), &[], &[]), Some(PeerId(2)));
}

#[test]
fn a_slot_is_left_for_a_waiting_noun_that_the_peer_was_never_tried_with() {
    let codes = Ask::Codes;
    let mut book = book(&[PeerKind::Static]);
    book.arrived(ms(0), PEER, Noun::Accounts, 1000, 1000, ms(10));
    for _ in 0..3 {
        book.sent(PEER, Noun::Accounts);
    }
    assert_eq!(book.choose(ms(0), &accounts(), &[codes], &[]), None, "the fourth is for codes");
    assert_eq!(book.choose(ms(0), &accounts(), &[], &[]), Some(PEER), "if there are any");
    assert_eq!(book.choose(ms(0), &codes, &[accounts()], &[]), Some(PEER));
    book.sent(PEER, Noun::Codes);
    book.arrived(ms(0), PEER, Noun::Codes, 1000, 1000, ms(10));
    assert_eq!(book.choose(ms(0), &accounts(), &[codes], &[]), Some(PEER), "tried: no claim any more");
}

#[test]
fn no_slot_is_left_for_what_the_peer_does_not_have() {
    let mut book = book(&[PeerKind::Static]);
    let storages = Ask::State { noun: Noun::Storages, root: root(1) };
    book.arrived(ms(0), PEER, Noun::Accounts, 1000, 1000, ms(10));
    book.arrived(ms(0), PEER, Noun::Bodies, 1000, 1000, ms(10));
    for _ in 0..3 {
        book.sent(PEER, Noun::Accounts);
    }
    assert_eq!(book.choose(ms(0), &accounts(), &[storages], &[]), None);
    book.refuse(ms(0), PEER, root(1));
    let other = Ask::State { noun: Noun::Accounts, root: root(2) };
    assert_eq!(book.choose(ms(0), &other, &[storages], &[]), Some(PEER), "its root is refused");
    let pruned = Ask::Blocks { noun: Noun::Receipts, blocks: BlockRange { first: 5, last: 5 } };
    for _ in 0..2 {
        book.arrived(ms(0), PEER, Noun::Accounts, 1000, 1000, ms(10));
    }
    book.sent(PEER, Noun::Bodies);
    book.sent(PEER, Noun::Bodies);
    assert_eq!(book.choose(ms(0), &bodies(500), &[pruned], &[]), Some(PEER), "blocks that it has pruned");
}

#[test]
fn static_before_outbound_before_inbound_within_tolerance() {
    let mut book = book(&[PeerKind::Static, PeerKind::Outbound, PeerKind::Inbound]);
    for peer in 1..=3 {
        book.judged(ms(0), PeerId(peer), &accounts(), &Outcome::Complete);
    }
    let mut drawn = [0u64; 3];
    for _ in 0..9000 {
        let peer = book.choose(ms(0), &accounts(), &[], &[]).unwrap();
        drawn[peer.0 as usize - 1] += 1;
    }
    // Weights 4 : 3 : 2.
    for (count, expected) in drawn.into_iter().zip([4000u64, 3000, 2000]) {
        assert!(count.abs_diff(expected) < 200, "{drawn:?}");
    }
}

// ROW: F29 F38
#[test]
fn newcomers_that_nobody_called_have_no_claim_before_a_peer_that_answers() {
    let kinds: Vec<PeerKind> = std::iter::once(PeerKind::Static).chain([PeerKind::Inbound; 20]).collect();
    let mut book = book(&kinds);
    let fast = |book: &mut Book| book.arrived(ms(0), PEER, Noun::Accounts, 100_000, 10_000_000, ms(10));
    fast(&mut book);
    let mut drawn = 0;
    for _ in 0..100 {
        drawn += u32::from(book.choose(ms(0), &accounts(), &[], &[]) == Some(PEER));
    }
    assert!(drawn > 90, "{drawn} of 100");
    book.judged(ms(0), PEER, &accounts(), &Outcome::Complete);
    for _ in 0..100 {
        assert_eq!(book.choose_again(ms(0), &accounts(), &[], &[]), Some(PEER));
    }
    // Where nobody else is, they are asked.
    assert!(book.choose_again(ms(0), &accounts(), &[], &[PEER]).is_some());
}

#[test]
fn faster_peers_are_drawn_more_and_among_many_only_the_better_half() {
    let mut book = book(&[PeerKind::Static; 10]);
    for peer in 1..=10 {
        book.arrived(ms(0), PeerId(peer), Noun::Accounts, 100_000, 100_000 * peer, ms(100));
    }
    let mut drawn = BTreeMap::new();
    for _ in 0..5000 {
        *drawn.entry(book.choose(ms(0), &accounts(), &[], &[]).unwrap()).or_insert(0u64) += 1;
    }
    assert_eq!(drawn.keys().copied().collect::<Vec<_>>(), (6..=10).map(PeerId).collect::<Vec<_>>());
    assert!(drawn[&PeerId(10)] > drawn[&PeerId(6)]);
}

#[test]
fn sizes_grow_by_a_half_and_shrink_by_half() {
    let mut book = book(&[PeerKind::Static]);
    let size = |book: &Book| book.offer(PEER, Noun::Accounts).unwrap().response_bytes >> 10;
    let mut sizes = vec![size(&book)];
    for _ in 0..5 {
        let asked = size(&book) << 10;
        book.arrived(ms(0), PEER, Noun::Accounts, asked, asked, ms(100));
        sizes.push(size(&book));
    }
    for _ in 0..6 {
        book.timed_out(PEER, Noun::Accounts);
        sizes.push(size(&book));
    }
    assert_eq!(sizes, vec![512, 768, 1152, 1728, 2048, 2048, 1024, 512, 256, 128, 64, 64]);
    assert_eq!(book.offer(PEER, Noun::Codes).unwrap().response_bytes >> 10, 512, "each noun has its own");
}

#[test]
fn small_answers_do_not_grow_and_slow_ones_shrink_in_proportion() {
    let mut book = book(&[PeerKind::Static]);
    book.arrived(ms(0), PEER, Noun::Accounts, 512 << 10, 1000, ms(100));
    assert_eq!(book.offer(PEER, Noun::Accounts).unwrap().response_bytes, 512 << 10);
    book.arrived(ms(0), PEER, Noun::Accounts, 512 << 10, 512 << 10, ms(4000));
    assert_eq!(book.offer(PEER, Noun::Accounts).unwrap().response_bytes, 256 << 10);
}

#[test]
fn deadlines_double_on_time_outs_and_come_back() {
    let mut config = Config::standing();
    config.silent_timeouts = 100;
    let mut book = Book::new(config, 1);
    book.join(Duration::ZERO, PEER, profile(PeerKind::Static));
    let deadline = |book: &Book| book.offer(PEER, Noun::Bodies).unwrap().deadline.as_millis();
    let mut deadlines = vec![deadline(&book)];
    for _ in 0..4 {
        book.timed_out(PEER, Noun::Bodies);
        deadlines.push(deadline(&book));
    }
    book.arrived(ms(0), PEER, Noun::Bodies, 1000, 1000, ms(100));
    deadlines.push(deadline(&book));
    assert_eq!(deadlines, vec![4000, 8000, 16_000, 30_000, 30_000, 1500]);
}

#[test]
fn four_time_outs_in_a_row_are_silence_and_eight_of_a_peer_that_was_of_use() {
    let mut book = book(&[PeerKind::Static, PeerKind::Static]);
    book.judged(ms(0), PeerId(2), &accounts(), &Outcome::Complete);
    for (peer, timeouts, silent_at) in [(1u64, 4, ms(0)), (2, 8, ms(Config::standing().silent_ms))] {
        for _ in 1..timeouts {
            book.timed_out(PeerId(peer), Noun::Accounts);
        }
        assert_eq!(book.fallen_silent(silent_at), None);
        book.timed_out(PeerId(peer), Noun::Accounts);
        assert_eq!(book.fallen_silent(silent_at), Some((PeerId(peer), Fault::Silent { timeouts })));
        assert!(!book.is_open(PeerId(peer)));
        assert_eq!(book.fallen_silent(silent_at), None, "told once");
    }
}

#[test]
fn what_runs_out_of_time_together_is_no_silence_before_a_narrow_line_could_have_given_anything() {
    let mut book = book(&[PeerKind::Static]);
    book.judged(ms(0), PEER, &Ask::Codes, &Outcome::Complete);
    for _ in 0..9 {
        book.timed_out(PEER, Noun::Accounts);
    }
    assert_eq!(book.fallen_silent(ms(19_999)), None);
    assert_eq!(book.next_change(ms(19_999)), Some(ms(20_000)));
    // The first answer comes late, after all.
    book.late(ms(19_999), PEER);
    assert_eq!(book.fallen_silent(ms(20_000)), None);
    for _ in 0..8 {
        book.timed_out(PEER, Noun::Accounts);
    }
    assert_eq!(book.fallen_silent(ms(39_998)), None);
    assert_eq!(book.fallen_silent(ms(39_999)), Some((PEER, Fault::Silent { timeouts: 8 })));
}

#[test]
fn a_late_answer_ends_the_row() {
    let mut book = book(&[PeerKind::Static]);
    for _ in 0..3 {
        book.timed_out(PEER, Noun::Accounts);
    }
    book.late(ms(0), PEER);
    book.timed_out(PEER, Noun::Accounts);
    assert_eq!(book.fallen_silent(ms(1_000_000)), None);
}

#[test]
fn each_fault_has_a_kind_of_its_own() {
    let mut kinds: Vec<&str> = Fault::kinds().collect();
    let all = kinds.len();
    kinds.sort_unstable();
    kinds.dedup();
    assert_eq!(kinds.len(), all);
    assert!(kinds.contains(&Fault::Silent { timeouts: 1 }.kind()));
}

// ROW: F1
#[test]
fn blocks_that_are_here_are_asked_for_before_any_peer_is_and_nothing_else_is() {
    let mut book = book(&[PeerKind::Static, PeerKind::Static]);
    let host = PeerId(99);
    let blocks = Some(BlockRange { first: 10, last: 12 });
    book.join(Duration::ZERO, host, PeerProfile { blocks, snap: None, ..profile_of(99, PeerKind::Host) });
    let of = |noun, first, last| Ask::Blocks { noun, blocks: BlockRange { first, last } };
    let mut asked = |ask: &Ask| book.choose(Duration::ZERO, ask, &[], &[]);
    for noun in [Noun::Headers, Noun::Bodies] {
        assert_eq!(asked(&of(noun, 10, 12)), Some(host));
        // Not a block more, either way.
        assert_ne!(asked(&of(noun, 9, 12)), Some(host));
        assert_ne!(asked(&of(noun, 10, 13)), Some(host));
    }
    assert_eq!(asked(&Ask::Header), Some(host));
    for ask in [of(Noun::Receipts, 10, 12), of(Noun::Lists, 10, 12), Ask::Codes] {
        assert_ne!(asked(&ask), Some(host));
    }
    assert!(book.may_have(Noun::Bodies, BlockRange { first: 12, last: 20 }, &[]));
}
