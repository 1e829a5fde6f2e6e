//! A machine that sleeps, or is held up, with requests out: whose time that is.

mod setup;

use alloy_primitives::B256;
use snapsync_peers::PeerId;
use snapsync_stream::{Input, Request};
use snapsync_sync::{Coverage, HashRange, TargetId};

use setup::{desk, give, hash, judgements, ms, sends, wait};

fn arrived(peer: PeerId, request: &Request) -> Input {
    Input::Arrived { peer, request: request.id, noun: request.what.noun(), bytes: 50_000 }
}

// ROW: F38 F39
#[test]
fn a_machine_that_slept_blames_nobody_for_it_and_takes_what_came_meanwhile() {
    for first_is_answer in [false, true] {
        let (mut desk, actions) = desk(1, 64 << 20, |journal, _| {
            let range = HashRange::new(hash(0), B256::repeat_byte(0x0f)).unwrap();
            journal.accounts = Coverage::all_but([range], TargetId(1));
        });
        let asked = sends(&actions);
        assert!(asked.len() >= 4, "so many unanswered ones in a row are silence");
        let hour = 3_600_000;
        if !first_is_answer {
            assert!(sends(&wait(&mut desk, hour)).is_empty(), "nothing is given up");
        }
        for (peer, request) in &asked {
            let judged = judgements(&give(&mut desk, hour + 10, arrived(*peer, request)));
            assert_eq!(judged.len(), 1, "the answer is not late");
        }
        assert_eq!(desk.book().points(asked[0].0), Some(50), "and costs nothing");
        let latency_ms = desk.book().summary()[0].rates.iter().map(|rate| rate.latency_ms).max();
        assert!(
            first_is_answer || latency_ms > Some(1_000),
            "the time awake is what it took: {latency_ms:?}"
        );
    }
    // Who says nothing when it could is silent all the same.
    let (mut desk, actions) = desk(1, 64 << 20, |journal, _| {
        let range = HashRange::new(hash(0), hash(1_000_000)).unwrap();
        journal.accounts = Coverage::all_but([range], TargetId(1));
    });
    let (peer, _) = sends(&actions)[0].clone();
    wait(&mut desk, 3_600_000);
    for _ in 0..4 {
        let at = u64::try_from(desk.next_timeout().unwrap().as_millis()).unwrap();
        wait(&mut desk, at);
    }
    assert!(desk.next_timeout().unwrap() > ms(3_600_000));
    assert!(desk.book().points(peer) < Some(50));
}
