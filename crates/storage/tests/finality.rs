//! What is final lets go of the blocks beside the chain below it, and of nothing else; a crash in between loses nothing.

#![allow(clippy::unwrap_used, reason = "a failing test may panic anywhere")]

mod synth;

use std::slice::from_ref;

use alloy_primitives::B256;
use snapsync_storage::{Descent, Finality, HistoryRows, MemoryDisk, Open, Store, VerifyConfig, verify};
use synth::{
    CHAIN,
    books::{Books, beside, named, span},
    chain::{Block, blocks},
    config,
};

fn reached(number: u64, pruned: u64) -> Finality {
    Finality::Reached { number, pruned, more: false }
}

fn rows(books: &Books) -> HistoryRows {
    books.store.history.snapshot().unwrap().rows().unwrap()
}

/// Whether anything is held of a block.
fn is_held(books: &Books, block: &Block) -> bool {
    let (snapshot, hash) = (books.store.history.snapshot().unwrap(), block.header.hash());
    let parts = [snapshot.header_by_hash(&hash), snapshot.body(&hash), snapshot.receipts(&hash)];
    snapshot.number_of(&hash).unwrap().is_some() || parts.into_iter().any(|part| part.unwrap().is_some())
}

/// Blocks 1 to 10, of which 8 and the later ones were left for others; two were left at 4, and one at 9 led nowhere.
struct Forked {
    books: Books,
    ten: Vec<Block>,
    high: Vec<Block>,
    gone: Vec<Block>,
}

impl Forked {
    fn new() -> Self {
        let (mut books, mut ten) = Books::with_ten();
        let (mut low, high) = (beside(&ten[2], 2, b"low"), beside(&ten[6], 5, b"high"));
        let lone = beside(&beside(&ten[5], 2, b"lone")[1], 1, b"lone");
        books.switch(&low);
        books.bodies(&low[..1]);
        books.switch(&ten[9..]);
        books.headers(Descent::Begins, &lone);
        books.switch(&high);
        books.want(1, 12);
        books.bodies(&high[..2]);
        let stays = ten.split_off(9);
        low.extend(ten.split_off(7));
        low.extend(lone);
        ten.extend(stays);
        Self { books, ten, high, gone: low }
    }
}

// ROW: F28
#[test]
fn blocks_beside_the_chain_go_up_to_the_final_one_and_nothing_canonical_does() {
    let Forked { mut books, ten, high, gone } = Forked::new();
    let (held, gaps) = (books.held(), (vec![span(10, 12)], vec![span(8, 12)]));
    assert_eq!((books.gaps(), rows(&books).headers), (gaps.clone(), 18));
    let bytes = books.store.history.file_bytes().unwrap();
    assert_eq!(books.try_finalize(&high[1], 8).unwrap(), Finality::Ahead { number: 9 });
    assert!(gone.iter().all(|block| is_held(&books, block)), "the state is below it");

    assert_eq!(books.finalize(&high[1]), reached(9, 5));
    assert!(!gone.iter().any(|block| is_held(&books, block)));
    assert!(is_held(&books, &ten[7]), "it is above");
    assert_eq!(rows(&books), HistoryRows { headers: 13, bodies: 10, receipts: 8 });
    assert!(books.store.history.file_bytes().unwrap() < bytes);
    books.is_canonical(&[&ten[..7], &high]);
    assert_eq!(
        (books.held(), books.gaps()),
        (held, gaps),
        "what is held and missing of the chain is the same"
    );
    assert_eq!(books.finalize(&high[1]), reached(9, 0), "once more changes nothing");
    assert_eq!(books.finalize(&high[3]), reached(11, 1), "and a later one goes on");
    assert_eq!(rows(&books), HistoryRows { headers: 12, bodies: 9, receipts: 7 });
}

#[test]
fn a_final_block_that_is_not_canonical_takes_nothing_away() {
    let Forked { mut books, ten, high, gone } = Forked::new();
    let before = rows(&books);
    for block in [&ten[7], &gone[0], &beside(&high[4], 1, b"unknown")[0]] {
        assert_eq!(books.finalize(block), Finality::Beside);
    }
    assert_eq!(rows(&books), before);
    books.is_canonical(&[&ten[..7], &high]);
}

#[test]
fn a_descent_that_has_not_met_the_chain_stays_and_joins_it() {
    let Forked { mut books, ten, high, .. } = Forked::new();
    let other = beside(&ten[3], 12, b"other");
    books.headers(Descent::Begins, &other[11..]);
    books.headers(Descent::GoesOn, &other[1..11]);
    // Two were left below the descent's floor, and those above it wait until that is over.
    assert_eq!(books.finalize(&high[1]), reached(9, 2));
    books.headers(Descent::GoesOn, &other[..1]);
    books.is_canonical(&[&ten[..4], &other]);
    let late = books.finalize(&other[11]);
    assert_eq!(late, reached(16, 3 + 3 + 1 + 5), "the others, and what was canonical until now");
    assert_eq!(rows(&books).headers, 16);
    books.is_canonical(&[&ten[..4], &other]);
}

#[test]
fn a_chain_that_is_left_below_its_final_block_is_left_and_goes_with_the_next() {
    let Forked { mut books, ten, high, .. } = Forked::new();
    books.finalize(&high[4]);
    let other = beside(&ten[1], 12, b"other");
    books.switch(&other);
    books.is_canonical(&[&ten[..2], &other]);
    assert_eq!(books.finalize(&high[4]), Finality::Beside);
    // A body that comes late for what is gone is not kept.
    assert_eq!(books.finalize(&other[7]), reached(10, 8));
    assert_eq!(books.bodies(&high[2..3]), []);
    assert!(!is_held(&books, &high[2]) && is_held(&books, &high[3]));
    books.is_canonical(&[&ten[..2], &other]);
    // And back to what is gone: it is fetched again.
    books.switch(&[&ten[2..7], &high].concat());
    books.is_canonical(&[&ten[..7], &high]);
}

#[test]
fn a_kill_between_two_writes_goes_on_where_the_first_ended() {
    const BLOCKS: u64 = 2_400;
    let canonical = blocks(CHAIN.genesis, BLOCKS, B256::ZERO);
    let other = beside(&canonical[0], BLOCKS - 1, b"other");
    for commit in [1, 2] {
        let mut books = Books::open(MemoryDisk::default(), None);
        books.headers(Descent::Begins, &canonical);
        books.switch(&other);
        books.switch(from_ref(canonical.last().unwrap()));
        let disk = books.disk.clone();
        drop(books);
        let mut books = Books::open(disk.clone(), Some(commit));
        let last = canonical.last().unwrap();
        let mut gone = 0;
        let error = loop {
            match books.try_finalize(last, BLOCKS) {
                Ok(Finality::Reached { pruned, more: true, .. }) => gone += pruned,
                Ok(other) => panic!("{other:?}"),
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind(), "aborted");
        assert_eq!(gone > 0, commit == 2, "one write does not do it all");
        drop(books);
        disk.crash();
        let mut books = Books::open(disk, None);
        books.is_canonical(&[&canonical]);
        assert_eq!(rows(&books).headers, 2 * BLOCKS - 1 - gone);
        let mut writes = 1;
        while let Finality::Reached { more: true, .. } = books.finalize(last) {
            writes += 1;
        }
        assert_eq!(writes, 3 - commit, "what the first write did is not done again");
        assert_eq!(rows(&books).headers, BLOCKS);
        books.is_canonical(&[&canonical]);
    }
}

#[test]
fn a_directory_whose_forks_are_gone_is_sound() {
    let dir = tempfile::tempdir().unwrap();
    {
        let store = Store::open(&config(dir.path()), CHAIN).unwrap();
        let steps = store.history.writer_steps(Box::new(Open)).unwrap();
        let mut books = Books { disk: MemoryDisk::default(), store, steps };
        let ten = blocks(CHAIN.genesis, 10, B256::ZERO);
        books.headers(Descent::Begins, &ten);
        books.want(1, 10);
        books.bodies(&ten);
        books.receipts(&ten);
        let (other, open) = (beside(&ten[4], 6, b"other"), beside(&ten[8], 5, b"open"));
        books.switch(&other);
        books.bodies(&other);
        books.receipts(&other);
        books.headers(Descent::Begins, &open[4..]);
        assert_eq!(books.finalize(&other[4]), reached(10, 5));
        assert_eq!(books.held().top, named(&other[5]));
        assert_eq!(rows(&books), HistoryRows { headers: 12, bodies: 11, receipts: 11 });
    }
    let report = verify(dir.path(), VerifyConfig { threads: 1, findings_max: 9 }).unwrap();
    assert_eq!(report.findings, []);
}
