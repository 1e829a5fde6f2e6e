//! The block queue's rules, one by one.

use alloy_primitives::{B256, U256};
use snapsync_sync::{
    Announcer, BlockLink, BlockQueue, BlockRange, DropCause, Dropped, Head, QueueLimits, QueueShare,
    QueueStep, Reception, Refusal,
};

/// The head's number in all tests.
const TOP: u64 = 100;
const PEER: Announcer = Announcer::Peer(1);
const OTHER: Announcer = Announcer::Peer(2);

/// A block of a branch, by its number; branch 0 is the head's.
fn hash(branch: u64, number: u64) -> B256 {
    B256::from(U256::from(1 + branch * 10_000 + number).to_be_bytes())
}

/// A block whose parent is of the same branch.
fn block(branch: u64, number: u64) -> BlockLink {
    BlockLink { number, hash: hash(branch, number), parent: hash(branch, number - 1) }
}

/// A block that leaves the head's branch.
fn fork(branch: u64, number: u64) -> BlockLink {
    BlockLink { parent: hash(0, number - 1), ..block(branch, number) }
}

fn head(number: u64) -> Head {
    block(0, number).into()
}

fn limits() -> QueueLimits {
    QueueLimits {
        ahead_max: 20,
        behind_max: 10,
        blocks_max: 12,
        bytes_max: 1200,
        peer_blocks_max: 4,
        peer_bytes_max: 400,
        held_max: 32,
        bad_max: 8,
    }
}

fn queue() -> BlockQueue<u64> {
    BlockQueue::new(limits(), block(0, TOP))
}

fn announce(queue: &mut BlockQueue<u64>, from: Announcer, block: BlockLink) -> Reception {
    queue.announce(from, block, 10, block.number).reception
}

/// What dropped blocks were, and the one cause of it.
fn dropped(dropped: &[Dropped], cause: DropCause) -> Vec<BlockLink> {
    assert!(dropped.iter().all(|one| one.cause == cause), "{dropped:?}");
    dropped.iter().map(|one| one.block).collect()
}

fn given(queue: &mut BlockQueue<u64>) -> Option<BlockLink> {
    match queue.poll()? {
        QueueStep::Execute { block, payload } => {
            assert_eq!(payload, block.number, "a block comes with its own payload");
            Some(block)
        }
        QueueStep::Find { .. } => None,
    }
}

fn find(block: BlockLink, blocks: Option<(u64, u64)>) -> Option<QueueStep<u64>> {
    let blocks = blocks.and_then(|(first, last)| BlockRange::new(first, last));
    Some(QueueStep::Find { hash: block.hash, number: block.number, blocks })
}

#[test]
fn blocks_are_given_out_in_order_each_once_its_parent_is_held() {
    let mut queue = queue();
    for number in [103, 101, 102] {
        assert_eq!(announce(&mut queue, Announcer::Host, block(0, number)), Reception::Queued);
    }
    for number in 101..=103 {
        assert_eq!(given(&mut queue), Some(block(0, number)));
        assert_eq!(queue.poll(), None, "nothing is given out before its parent is held");
        assert!(queue.held(block(0, number)).is_empty());
    }
    assert_eq!((queue.poll(), queue.total()), (None, QueueShare::default()));
    assert_eq!(announce(&mut queue, Announcer::Host, block(0, 102)), Reception::Held);
}

#[test]
fn unknown_parents_are_named_once_down_to_the_chain_that_is_held() {
    let mut queue = queue();
    announce(&mut queue, Announcer::Host, block(0, 105));
    announce(&mut queue, Announcer::Host, BlockLink { hash: hash(9, 105), ..block(0, 105) });
    assert_eq!(queue.poll(), find(block(0, 104), Some((101, 104))));
    assert_eq!(queue.poll(), None);
    announce(&mut queue, PEER, block(0, 104));
    assert_eq!(queue.poll(), find(block(0, 103), Some((101, 103))));
    // It leaves the chain below the head: how far below is not known.
    announce(&mut queue, Announcer::Host, block(1, 96));
    assert_eq!(queue.poll(), find(block(1, 95), Some((91, 95))));
}

#[test]
fn parent_below_the_window_is_of_use_only_from_our_own_chain() {
    let mut queue = queue();
    announce(&mut queue, Announcer::Host, fork(1, 91));
    assert_eq!(queue.poll(), find(block(0, 90), None));
    assert!(matches!(
        announce(&mut queue, PEER, block(0, 90)),
        Reception::Refused(Refusal::Behind { floor: 90 })
    ));
    assert!(queue.held(block(0, 90)).is_empty());
    assert_eq!(given(&mut queue), Some(fork(1, 91)));
}

#[test]
fn descendants_of_a_bad_block_leave_with_the_latest_valid_ancestor_and_do_not_come_back() {
    let mut queue = queue();
    for block in [fork(1, 101), block(1, 102), block(1, 103), block(0, 101)] {
        announce(&mut queue, Announcer::Host, block);
    }
    while given(&mut queue).is_some() {}
    let rejection = queue.rejected(fork(1, 101));
    let latest_valid = head(100);
    assert_eq!(rejection.latest_valid, Some(latest_valid));
    assert_eq!(dropped(&rejection.dropped, DropCause::Bad { latest_valid }), [block(1, 102), block(1, 103)]);
    for number in 102..=104 {
        assert_eq!(announce(&mut queue, PEER, block(1, number)), Reception::Bad { latest_valid });
    }
    assert_eq!(announce(&mut queue, PEER, fork(1, 101)), Reception::Bad { latest_valid });
    assert_eq!((queue.bad(&hash(1, 104)), queue.bad(&hash(0, 101))), (Some(latest_valid), None));
    assert!(queue.held(block(0, 101)).is_empty(), "its sibling is none the worse");
    assert_eq!(queue.total(), QueueShare::default());
}

#[test]
fn descendant_that_was_here_before_what_links_it_to_a_bad_block_leaves_too() {
    let mut queue = queue();
    announce(&mut queue, Announcer::Host, fork(1, 101));
    given(&mut queue);
    queue.rejected(fork(1, 101));
    announce(&mut queue, Announcer::Host, block(1, 104));
    announce(&mut queue, Announcer::Host, block(1, 103));
    let latest_valid = head(100);
    let intake = queue.announce(PEER, block(1, 102), 10, 102);
    assert_eq!(intake.reception, Reception::Bad { latest_valid });
    assert_eq!(dropped(&intake.dropped, DropCause::Bad { latest_valid }), [block(1, 103), block(1, 104)]);
    assert_eq!(queue.bad(&hash(1, 104)), Some(latest_valid));
}

#[test]
fn what_lacks_its_parent_is_never_remembered_as_bad() {
    let mut queue = queue();
    announce(&mut queue, Announcer::Host, block(0, 103));
    announce(&mut queue, Announcer::Host, block(0, 104));
    assert_eq!(queue.poll(), find(block(0, 102), Some((101, 102))));
    // A word about a block that was not given out is not taken.
    assert_eq!(queue.rejected(block(0, 103)).latest_valid, None);
    assert_eq!(queue.rejected(block(7, 103)).latest_valid, None);
    let lost = queue.nobody_has(&hash(0, 102));
    assert_eq!(dropped(&lost, DropCause::Lost), [block(0, 103), block(0, 104)]);
    assert_eq!((queue.bad_count(), queue.total()), (0, QueueShare::default()));
    assert!(queue.nobody_has(&hash(0, 102)).is_empty(), "nobody waits for it any more");
    assert_eq!(announce(&mut queue, Announcer::Host, block(0, 103)), Reception::Queued);
    assert_eq!(queue.poll(), find(block(0, 102), Some((101, 102))));
}

#[test]
fn however_many_descendants_come_the_bad_block_above_them_is_not_executed_again() {
    let mut queue = queue();
    announce(&mut queue, Announcer::Host, fork(1, 101));
    given(&mut queue);
    queue.rejected(fork(1, 101));
    for branch in 2..500 {
        let child = BlockLink { parent: hash(1, 101), ..block(branch, 102) };
        assert!(matches!(announce(&mut queue, PEER, child), Reception::Bad { .. }));
    }
    assert_eq!(queue.bad_count(), 1 + limits().bad_max);
    assert!(matches!(announce(&mut queue, PEER, fork(1, 101)), Reception::Bad { .. }));
    for branch in 1000..1100 {
        announce(&mut queue, Announcer::Host, fork(branch, 101));
        given(&mut queue);
        queue.rejected(fork(branch, 101));
    }
    assert_eq!(queue.bad_count(), 2 * limits().bad_max);
}

#[test]
fn bad_block_that_is_held_after_all_is_forgiven_and_so_are_its_descendants() {
    let mut queue = queue();
    for number in [101, 102] {
        announce(&mut queue, Announcer::Host, block(0, number));
    }
    given(&mut queue);
    queue.rejected(block(0, 101));
    assert!(matches!(announce(&mut queue, Announcer::Host, block(0, 102)), Reception::Bad { .. }));
    queue.held(block(0, 101));
    assert_eq!(queue.bad_count(), 0);
    assert_eq!(announce(&mut queue, Announcer::Host, block(0, 102)), Reception::Queued);
    assert_eq!(given(&mut queue), Some(block(0, 102)));
}

#[test]
fn number_that_does_not_follow_is_bad_as_soon_as_the_parent_is_held() {
    let mut queue = queue();
    let latest_valid = head(101);
    let skips = BlockLink { number: 104, ..block(0, 102) };
    announce(&mut queue, Announcer::Host, skips);
    announce(&mut queue, Announcer::Host, block(0, 103));
    announce(&mut queue, Announcer::Host, block(0, 101));
    assert_eq!(given(&mut queue), Some(block(0, 101)));
    let gone = queue.held(block(0, 101));
    assert_eq!(dropped(&gone, DropCause::Bad { latest_valid }), [skips, block(0, 103)]);
    let other = BlockLink { number: 105, ..fork(3, 102) };
    assert_eq!(announce(&mut queue, PEER, other), Reception::Bad { latest_valid });
    assert_eq!(queue.poll(), None);
}

#[test]
fn windows_end_behind_and_ahead_of_the_head_and_move_with_it() {
    let mut queue = queue();
    let refusal = |reception| match reception {
        Reception::Refused(refusal) => Some(refusal),
        _ => None,
    };
    assert_eq!(refusal(announce(&mut queue, PEER, block(1, 90))), Some(Refusal::Behind { floor: 90 }));
    assert_eq!(refusal(announce(&mut queue, PEER, block(1, 121))), Some(Refusal::Ahead { last: 120 }));
    assert_eq!(announce(&mut queue, PEER, block(1, 91)), Reception::Queued);
    assert_eq!(announce(&mut queue, PEER, block(1, 120)), Reception::Queued);
    let gone = queue.head_moved(block(0, 105));
    assert_eq!(dropped(&gone, DropCause::Behind), [block(1, 91)]);
    assert_eq!(announce(&mut queue, PEER, block(1, 125)), Reception::Queued);
    // The head goes down, as in a reorganisation.
    let gone = queue.head_moved(fork(2, 101));
    assert_eq!(dropped(&gone, DropCause::Ahead), [block(1, 125)]);
    assert_eq!(queue.total().blocks, 1);
}

#[test]
fn what_is_final_prunes_what_is_below_and_what_stands_beside() {
    let mut queue = queue();
    // Three branches that leave the chain at 94: one is held, one is in the queue, one waits for an unknown block.
    queue.held(block(0, 94));
    queue.held(block(0, 95));
    queue.held(fork(1, 95));
    queue.held(block(1, 96));
    for block in [block(1, 97), block(1, 98), fork(2, 96), block(2, 97), block(3, 94), block(3, 97)] {
        announce(&mut queue, Announcer::Host, block);
    }
    announce(&mut queue, Announcer::Host, block(0, 101));
    let gone = queue.finalized(block(0, 95));
    let causes =
        |cause| gone.iter().filter(|one| one.cause == cause).map(|one| one.block).collect::<Vec<_>>();
    assert_eq!(causes(DropCause::Behind), [block(3, 94)]);
    assert_eq!(causes(DropCause::OtherBranch), [block(1, 97), block(1, 98)]);
    let refused = Reception::Refused(Refusal::OtherBranch { finalized: head(95) });
    assert_eq!(announce(&mut queue, PEER, BlockLink { parent: hash(1, 95), ..block(4, 96) }), refused);
    assert!(matches!(
        announce(&mut queue, PEER, fork(5, 95)),
        Reception::Refused(Refusal::Behind { floor: 95 })
    ));
    assert_eq!(given(&mut queue), Some(fork(2, 96)), "it stands on what is final");
    assert_eq!(queue.held_count(), 2, "the final block and the head");
    // Bad blocks that cannot come any more are forgotten.
    queue.rejected(fork(2, 96));
    assert!(queue.bad_count() > 0);
    queue.finalized(block(0, 100));
    assert_eq!(queue.bad_count(), 0);
}

#[test]
fn final_block_above_the_head_refuses_nothing_that_leads_to_it() {
    let mut queue = queue();
    queue.finalized(block(0, 110));
    assert_eq!(announce(&mut queue, Announcer::Host, block(0, 101)), Reception::Queued);
    assert_eq!(given(&mut queue), Some(block(0, 101)));
    queue.held(block(0, 101));
    queue.head_moved(block(0, 101));
    assert_eq!(announce(&mut queue, Announcer::Host, block(0, 102)), Reception::Queued);
}

#[test]
fn block_that_is_here_is_not_taken_twice_and_the_host_takes_it_over() {
    let mut queue = queue();
    assert_eq!(announce(&mut queue, PEER, block(0, 101)), Reception::Queued);
    assert_eq!(announce(&mut queue, OTHER, block(0, 101)), Reception::Repeated);
    assert_eq!((queue.share(PEER).blocks, queue.share(OTHER).blocks), (1, 0));
    assert_eq!(given(&mut queue), Some(block(0, 101)));
    assert_eq!(announce(&mut queue, Announcer::Host, block(0, 101)), Reception::Repeated);
    assert_eq!((queue.share(PEER).blocks, queue.share(Announcer::Host).blocks), (0, 1));
    assert_eq!(queue.poll(), None, "it is given out once");
}

#[test]
fn peer_fills_its_own_part_and_its_lower_blocks_replace_its_higher_ones() {
    let mut queue = queue();
    for number in [110, 112, 114, 116] {
        assert_eq!(announce(&mut queue, PEER, block(1, number)), Reception::Queued);
    }
    assert_eq!(announce(&mut queue, PEER, block(1, 118)), Reception::Refused(Refusal::PeerFull));
    assert_eq!(announce(&mut queue, OTHER, block(1, 118)), Reception::Queued);
    let intake = queue.announce(PEER, block(1, 108), 10, 108);
    assert_eq!(dropped(&intake.dropped, DropCause::Room), [block(1, 116)]);
    // Bytes count as blocks do: two must go for one that is large, or none.
    let intake = queue.announce(PEER, block(1, 102), 385, 102);
    assert_eq!(dropped(&intake.dropped, DropCause::Room), [block(1, 114), block(1, 112), block(1, 110)]);
    let intake = queue.announce(PEER, block(1, 109), 395, 109);
    assert_eq!(intake.reception, Reception::Refused(Refusal::PeerFull));
    assert!(intake.dropped.is_empty());
    let refused = Reception::Refused(Refusal::TooLarge { bytes_max: 400 });
    assert_eq!(queue.announce(PEER, block(1, 101), 401, 101).reception, refused);
}

#[test]
fn full_queue_gives_way_to_the_host_and_to_who_has_less_of_it() {
    let mut queue = queue();
    for (peer, count) in [(1, 4), (2, 4), (3, 3)] {
        for number in 0..count {
            assert_eq!(
                announce(&mut queue, Announcer::Peer(peer), block(peer, 110 + 2 * number)),
                Reception::Queued
            );
        }
    }
    assert_eq!(announce(&mut queue, Announcer::Host, block(9, 120)), Reception::Queued);
    assert_eq!(queue.total().blocks, limits().blocks_max);
    // Of the largest part the highest block; among equals it does not matter whose.
    let intake = queue.announce(Announcer::Peer(4), block(4, 119), 10, 119);
    assert_eq!(dropped(&intake.dropped, DropCause::Room), [block(2, 116)]);
    // Who has as much as anybody gives way itself, or is refused.
    let intake = queue.announce(Announcer::Peer(3), block(3, 101), 10, 101);
    assert_eq!(dropped(&intake.dropped, DropCause::Room), [block(3, 114)]);
    for number in 101..=112 {
        assert_eq!(announce(&mut queue, Announcer::Host, block(8, number)), Reception::Queued);
    }
    assert_eq!(
        queue.share(Announcer::Host).blocks,
        limits().blocks_max,
        "peers give way, then what is higher"
    );
    assert_eq!(announce(&mut queue, PEER, block(1, 101)), Reception::Refused(Refusal::Full));
    assert_eq!(announce(&mut queue, Announcer::Host, block(8, 113)), Reception::Refused(Refusal::Full));
}

#[test]
fn block_that_others_wait_for_is_there_because_of_them() {
    let mut queue = queue();
    announce(&mut queue, PEER, block(1, 105));
    announce(&mut queue, OTHER, block(1, 104));
    assert_eq!((queue.share(PEER).blocks, queue.share(OTHER).blocks), (2, 0));
    announce(&mut queue, Announcer::Host, BlockLink { hash: hash(2, 104), ..block(1, 104) });
    announce(&mut queue, OTHER, block(1, 103));
    assert_eq!(queue.share(Announcer::Host).blocks, 2);
}

#[test]
fn peer_that_left_takes_along_what_was_not_given_out() {
    let mut queue = queue();
    for block in [block(0, 101), block(0, 102), block(1, 110)] {
        announce(&mut queue, PEER, block);
    }
    announce(&mut queue, Announcer::Host, block(0, 103));
    assert_eq!(given(&mut queue), Some(block(0, 101)));
    assert_eq!(dropped(&queue.left(1), DropCause::Left), [block(0, 102), block(1, 110)]);
    assert_eq!(queue.share(PEER).blocks, 1);
    // The host's block waits for one that went.
    assert_eq!(queue.poll(), find(block(0, 102), Some((101, 102))));
    queue.held(block(0, 101));
    assert_eq!(queue.share(PEER).blocks, 0);
}

#[test]
fn block_that_was_given_up_is_found_again_if_somebody_waits_for_it() {
    let mut queue = queue();
    announce(&mut queue, Announcer::Host, block(0, 101));
    announce(&mut queue, Announcer::Host, block(0, 102));
    queue.gave_up(&hash(0, 101));
    assert_eq!(given(&mut queue), Some(block(0, 101)), "what was not given out cannot be given up");
    queue.gave_up(&hash(0, 101));
    assert_eq!(queue.poll(), find(block(0, 101), Some((101, 101))));
    announce(&mut queue, PEER, block(0, 101));
    assert_eq!(given(&mut queue), Some(block(0, 101)));
    assert_eq!(queue.bad_count(), 0);
}

#[test]
fn held_blocks_that_were_forgotten_are_looked_up_by_the_host() {
    let mut queue = BlockQueue::new(QueueLimits { held_max: 2, ..limits() }, block(0, TOP));
    for number in [95, 96, 97] {
        queue.held(block(0, number));
    }
    assert_eq!(queue.held_count(), 2, "the head and the highest");
    announce(&mut queue, Announcer::Host, fork(1, 97));
    assert_eq!(queue.poll(), find(block(0, 96), Some((91, 96))));
    queue.held(block(0, 96));
    assert_eq!(given(&mut queue), Some(fork(1, 97)));
}

#[test]
fn hashes_that_lie_end_in_no_walk_and_no_panic() {
    let mut queue = queue();
    let (one, two) = (BlockLink { parent: hash(1, 106), ..block(1, 105) }, block(1, 106));
    let own = BlockLink { parent: hash(2, 105), ..block(2, 105) };
    for block in [one, two, own] {
        assert_eq!(announce(&mut queue, PEER, block), Reception::Queued);
    }
    assert_eq!(queue.poll(), None);
    queue.held(own);
    queue.held(two);
    assert_eq!(queue.rejected(one).latest_valid, Some(two.into()), "it has a lower number than its parent");
    queue.head_moved(BlockLink { number: u64::MAX, ..block(3, 105) });
    announce(&mut queue, PEER, BlockLink { number: u64::MAX, ..block(4, 106) });
    queue.finalized(BlockLink { number: u64::MAX, ..block(3, 105) });
    queue.head_moved(BlockLink { number: 0, ..block(5, 105) });
    assert_eq!(queue.total(), QueueShare::default());
}
