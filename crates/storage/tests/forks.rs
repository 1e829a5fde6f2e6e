//! The chain moves: later heads above and beside what is held, and a crash at any commit in between.

#![allow(clippy::unwrap_used, reason = "a failing test may panic anywhere")]

mod synth;

use alloy_primitives::B256;
use snapsync_storage::{Descent, MemoryDisk, Open, Reach, Store, VerifyConfig, verify};
use synth::{
    CHAIN,
    books::{Books, beside, joined, named, span},
    chain::{Block, block_of, blocks},
    config,
};

#[test]
fn later_head_joins_when_its_descent_is_down_and_its_blocks_are_wanted() {
    let (mut books, ten) = Books::with_ten();
    let more = beside(&ten[9], 5, b"");
    let reach = books.headers(Descent::Begins, &more[4..]);
    assert_eq!(reach, Reach::Down { floor: 15, parent: more[3].header.hash() });
    books.is_canonical(&[&ten]);
    assert_eq!(books.descent().map(|piece| (piece.top.number, piece.floor)), Some((15, 15)));
    assert!(matches!(books.headers(Descent::GoesOn, &more[2..4]), Reach::Down { floor: 13, .. }));
    let join = joined(books.headers(Descent::GoesOn, &more[..2]));
    assert_eq!((join.fork, join.top, join.bodies), (10, named(&more[4]), vec![]));
    books.is_canonical(&[&ten, &more]);
    assert_eq!((books.descent(), books.held().floor, books.headers_written()), (None, 1, 15));
    assert_eq!(books.gaps(), (vec![], vec![]), "nobody has said yet that they are wanted");
    books.want(1, 15);
    assert_eq!(books.gaps(), (vec![span(11, 15)], vec![span(11, 15)]));
}

#[test]
fn head_right_above_joins_at_once() {
    let (mut books, ten) = Books::with_ten();
    let next = beside(&ten[9], 1, b"");
    let join = joined(books.headers(Descent::Begins, &next));
    assert_eq!((join.fork, join.top), (10, named(&next[0])));
    books.is_canonical(&[&ten, &next]);
}

#[test]
fn head_beside_switches_the_chain_and_the_way_back_costs_nothing_but_its_header() {
    let (mut books, ten) = Books::with_ten();
    let other = beside(&ten[6], 5, b"other");
    // Its headers come with some of the held ones behind them.
    books.headers(Descent::Begins, &other[4..]);
    let mut answer: Vec<Block> = blocks(CHAIN.genesis, 10, B256::ZERO).drain(4..7).collect();
    answer.extend(beside(&ten[6], 5, b"other").into_iter().take(4));
    let join = joined(books.headers(Descent::GoesOn, &answer));
    assert_eq!((join.fork, join.top), (7, named(&other[4])));
    books.is_canonical(&[&ten[..7], &other]);
    assert_eq!(books.headers_written(), 15, "what was held is not written again");
    // The new blocks below the old head are missing at once, those above when they are wanted.
    assert_eq!(books.gaps(), (vec![span(8, 10)], vec![span(8, 10)]));
    books.want(1, 12);
    assert_eq!(books.gaps(), (vec![span(8, 12)], vec![span(8, 12)]));
    assert_eq!(books.bodies(&other[..2]), [span(8, 9)]);
    // Old blocks are still there, under their hashes.
    let snapshot = books.store.history.snapshot().unwrap();
    assert!(snapshot.body(&ten[9].header.hash()).unwrap().is_some());
    drop(snapshot);
    let join = joined(books.headers(Descent::Begins, &ten[9..]));
    assert_eq!((join.fork, join.top), (7, named(&ten[9])));
    assert_eq!((join.bodies, join.receipts), (vec![span(8, 10)], vec![span(8, 10)]));
    books.is_canonical(&[&ten]);
    assert_eq!(books.gaps(), (vec![], vec![]), "all of it is held");
    // And once more: the two bodies that came are there, the others missing as before.
    let join = joined(books.headers(Descent::Begins, &other[4..]));
    assert_eq!(join.bodies, [span(8, 9)]);
    books.want(1, 12);
    assert_eq!(books.gaps(), (vec![span(10, 12)], vec![span(8, 12)]));
    assert_eq!(books.headers_written(), 15);
}

#[test]
fn shorter_head_takes_the_numbers_above_it_away() {
    let (mut books, ten) = Books::with_ten();
    let other = beside(&ten[4], 2, b"short");
    books.headers(Descent::Begins, &other[1..]);
    joined(books.headers(Descent::GoesOn, &other[..1]));
    books.is_canonical(&[&ten[..5], &other]);
    assert_eq!(books.gaps(), (vec![span(6, 7)], vec![span(6, 7)]));
    let next = beside(&other[1], 2, b"short");
    books.headers(Descent::Begins, &next[1..]);
    joined(books.headers(Descent::GoesOn, &next[..1]));
    books.want(1, 9);
    assert_eq!(books.gaps(), (vec![span(6, 9)], vec![span(6, 9)]));
}

#[test]
fn older_head_of_the_same_chain_changes_nothing() {
    let (mut books, ten) = Books::with_ten();
    let join = joined(books.headers(Descent::Begins, &ten[3..4]));
    assert_eq!((join.fork, join.top), (10, named(&ten[9])));
    books.is_canonical(&[&ten]);
    assert_eq!((books.descent(), books.headers_written()), (None, 10));
}

#[test]
fn head_whose_chain_parts_at_the_genesis_joins_there() {
    let (mut books, ten) = Books::with_ten();
    let first = block_of(CHAIN.genesis, 1, B256::ZERO, b"other", &[]);
    let mut other = beside(&first, 3, b"other");
    other.insert(0, first);
    books.headers(Descent::Begins, &other[3..]);
    let join = joined(books.headers(Descent::GoesOn, &other[..3]));
    assert_eq!(join.fork, 0);
    books.is_canonical(&[&other]);
    drop(ten);
}

#[test]
fn chain_that_is_written_from_below_keeps_all_that_is_wanted_of_it() {
    let mut books = Books::open(MemoryDisk::default(), None);
    let ten = blocks(CHAIN.genesis, 10, B256::ZERO);
    books.want(1, 10);
    books.headers(Descent::GoesOn, &ten[..4]);
    books.bodies(&ten[..4]);
    joined(books.headers(Descent::GoesOn, &ten[4..8]));
    assert_eq!(books.gaps(), (vec![span(5, 10)], vec![span(1, 10)]));
    joined(books.headers(Descent::GoesOn, &ten[8..]));
    books.is_canonical(&[&ten]);
    assert_eq!(books.gaps(), (vec![span(5, 10)], vec![span(1, 10)]));
    books.bodies(&ten[4..]);
    books.receipts(&ten);
    let snapshot = books.store.history.snapshot().unwrap();
    assert_eq!(snapshot.whole().unwrap(), Some(span(1, 10)));
}

#[test]
fn what_comes_late_or_twice_moves_no_descent() {
    let (mut books, ten) = Books::with_ten();
    let left = beside(&ten[9], 20, b"left");
    let other = beside(&ten[9], 8, b"other");
    books.headers(Descent::Begins, &left[19..]);
    books.headers(Descent::GoesOn, &left[15..19]);
    books.headers(Descent::Begins, &other[7..]);
    let descent = books.descent();
    // An answer of the descent that was left.
    assert_eq!(books.headers(Descent::GoesOn, &left[10..15]), Reach::Loose);
    assert_eq!(books.descent(), descent);
    books.headers(Descent::GoesOn, &other[4..7]);
    // Headers of this one that came already, and then some that reach lower.
    assert!(matches!(books.headers(Descent::GoesOn, &other[5..7]), Reach::Down { floor: 15, .. }));
    assert!(matches!(books.headers(Descent::GoesOn, &other[2..6]), Reach::Down { floor: 13, .. }));
    // The held piece goes on below in the meantime, twice.
    joined(books.headers(Descent::GoesOn, &ten[3..6]));
    assert_eq!(joined(books.headers(Descent::GoesOn, &other[..2])).top, named(&other[7]));
    books.is_canonical(&[&ten, &other]);
    // What was left is not fetched again: a head above it finds its headers.
    let above = beside(&left[19], 1, b"left");
    assert!(matches!(books.headers(Descent::Begins, &above), Reach::Down { floor: 21, .. }));
    joined(books.headers(Descent::GoesOn, &left[..10]));
    books.is_canonical(&[&ten, &left, &above]);
}

#[test]
fn held_piece_goes_on_below_while_a_later_head_descends() {
    let mut books = Books::open(MemoryDisk::default(), None);
    let ten = blocks(CHAIN.genesis, 10, B256::ZERO);
    let more = beside(&ten[9], 3, b"");
    books.headers(Descent::Begins, &ten[9..]);
    books.headers(Descent::GoesOn, &ten[6..9]);
    books.headers(Descent::Begins, &more[2..]);
    assert!(matches!(books.headers(Descent::GoesOn, &ten[3..6]), Reach::Down { floor: 4, .. }));
    joined(books.headers(Descent::GoesOn, &more[..2]));
    assert!(matches!(books.headers(Descent::GoesOn, &ten[..3]), Reach::Down { floor: 1, .. }));
    books.is_canonical(&[&ten, &more]);
}

#[test]
fn body_of_a_block_beside_is_kept_and_fills_no_gap() {
    let (mut books, ten) = Books::with_ten();
    let other = beside(&ten[6], 5, b"other");
    let unknown = beside(&ten[6], 1, b"unknown");
    books.headers(Descent::Begins, &other[4..]);
    books.headers(Descent::GoesOn, &other[1..4]);
    assert_eq!(books.bodies(&other[2..4]), []);
    assert_eq!(books.bodies(&unknown), [], "nobody knows its header");
    let join = joined(books.headers(Descent::GoesOn, &other[..1]));
    assert_eq!((join.bodies, join.receipts), (vec![span(10, 11)], vec![]));
    books.want(1, 12);
    assert_eq!(books.gaps(), (vec![span(8, 9), span(12, 12)], vec![span(8, 12)]));
    assert_eq!(books.store.history.snapshot().unwrap().rows().unwrap().bodies, 12);
}

/// Moves the chain twice; stops at the first commit that fails.
fn move_twice(
    books: &mut Books,
    ten: &[Block],
    more: &[Block],
    other: &[Block],
) -> snapsync_storage::Result<()> {
    let go_on = |books: &mut Books, chain: &[Block]| {
        // As an engine resumes: from where the descent stands.
        while books.held().top != named(chain.last().unwrap()) {
            let open = books.descent().filter(|piece| piece.top == named(chain.last().unwrap()));
            let (descent, last) = match open {
                Some(piece) => (Descent::GoesOn, piece.floor - 1),
                None => (Descent::Begins, chain.last().unwrap().header.number),
            };
            let at = (last - chain[0].header.number) as usize;
            let from = if descent == Descent::Begins { at } else { at.saturating_sub(1) };
            books.try_headers(descent, &chain[from..=at])?;
        }
        Ok(())
    };
    // Whoever crashed behind the second move does not go back to the first head.
    if books.held().top != named(other.last().unwrap())
        && books.descent().is_none_or(|at| at.top.number != 12)
    {
        go_on(books, more)?;
    }
    go_on(books, other)?;
    books.is_canonical(&[&ten[..7], other]);
    Ok(())
}

#[test]
fn crash_at_any_commit_of_a_move_leaves_one_chain_that_goes_on_where_it_was() {
    for commit in 1.. {
        let (books, ten) = Books::with_ten();
        let (more, other) = (beside(&ten[9], 5, b""), beside(&ten[6], 5, b"other"));
        let disk = books.disk.clone();
        drop(books);
        let mut books = Books::open(disk.clone(), Some(commit));
        let done = move_twice(&mut books, &ten, &more, &other).is_ok();
        drop(books);
        disk.crash();
        let mut books = Books::open(disk, None);
        let tops = [&ten[9], &more[4], &other[4]].map(named);
        let held = books.held();
        assert!(tops.contains(&held.top), "{held:?}");
        let lower: &[Block] = if held.top == tops[2] { &ten[..7] } else { &ten };
        let upper: &[Block] =
            [&ten[..0], &more, &other][tops.iter().position(|top| *top == held.top).unwrap()];
        books.is_canonical(&[lower, upper]);
        move_twice(&mut books, &ten, &more, &other).unwrap();
        assert_eq!(books.headers_written(), 20, "commit {commit}");
        if done {
            assert!(commit > 6, "{commit}");
            return;
        }
    }
}

#[test]
fn directory_with_a_fork_and_an_open_descent_is_sound_and_a_flip_beside_the_chain_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path());
    let ten = blocks(CHAIN.genesis, 10, B256::ZERO);
    let other = beside(&ten[6], 5, b"other");
    {
        let store = Store::open(&config, CHAIN).unwrap();
        let steps = store.history.writer_steps(Box::new(Open)).unwrap();
        let mut books = Books { disk: MemoryDisk::default(), store, steps };
        books.headers(Descent::Begins, &ten);
        books.want(1, 10);
        books.bodies(&ten);
        books.receipts(&ten);
        books.headers(Descent::Begins, &other[4..]);
        books.headers(Descent::GoesOn, &other[..4]);
        let open = beside(&other[4], 9, b"open");
        books.headers(Descent::Begins, &open[8..]);
        books.headers(Descent::GoesOn, &open[4..8]);
    }
    let check = VerifyConfig { threads: 1, findings_max: 9 };
    assert_eq!(verify(dir.path(), check).unwrap().findings, []);
    // Blocks 8 to 10 of the first chain lie beside by now.
    let key = |block: &Block| [&block.header.number.to_be_bytes(), block.header.hash().as_slice()].concat();
    for (table, block) in [("Headers", &ten[7]), ("Bodies", &ten[8]), ("Receipts", &ten[9])] {
        let key = key(block);
        flip(&dir.path().join("history"), table, &key);
        let findings = verify(dir.path(), check).unwrap().findings;
        let named = findings
            .iter()
            .any(|finding| finding.table == table && finding.key == alloy_primitives::hex::encode(&key));
        assert!(named, "{table}: {findings:?}");
        flip(&dir.path().join("history"), table, &key);
    }
    assert_eq!(verify(dir.path(), check).unwrap().findings, []);
}

/// Flips a bit in the middle of a row.
fn flip(dir: &std::path::Path, table: &str, key: &[u8]) {
    use signet_libmdbx::{DatabaseFlags, Environment, WriteFlags};
    let env = Environment::builder().set_max_dbs(16).open(dir).unwrap();
    let txn = env.begin_rw_unsync().unwrap();
    let db = txn.create_db(Some(table), DatabaseFlags::empty()).unwrap();
    let mut value = txn.get::<Vec<u8>>(db.dbi(), key).unwrap().unwrap();
    let middle = value.len() / 2;
    value[middle] ^= 0x04;
    txn.put(db, key, &value, WriteFlags::UPSERT).unwrap();
    txn.commit().unwrap();
}
