//! What is damaged is put right, or left to be fetched: rows, branches, codes, records; and the record of the sync says so throughout.

#![allow(clippy::unwrap_used, reason = "a failing test may panic anywhere")]

mod synth;

use std::path::Path;

use alloy_primitives::B256;
use signet_libmdbx::{DatabaseFlags, Environment, WriteFlags};
use snapsync_storage::{
    Error, Mended, Open, StateProgress, Store, Verdict, VerifyConfig, Write, mend, mend_behind, verify,
};
use snapsync_trie::{EMPTY_ROOT, Standing};
use synth::{At, CHAIN, Run, World, config, mended::go_on, scan, sync};

const CHECK: VerifyConfig = VerifyConfig { threads: 2, findings_max: 50 };
/// The phase that the record is set back to.
const PHASE: u8 = 2;

/// A directory that holds all of a world, or what there is before some commit.
fn directory(datadir: &Path, world: &World, stop: Option<u64>) {
    let config = config(datadir);
    let store = Store::open(&config, CHAIN).unwrap();
    let mut run =
        Run::new(&store, &config, Box::new(At { commit: stop.or(Some(0)), verdict: || Verdict::Abort }));
    assert_eq!(sync(world, &store, &mut run).is_ok(), stop.is_none());
    let _stopped = run.end();
}

/// Changes a row of a table, of which there are so many, past everything that is checked before a write; gives its key.
fn change(
    datadir: &Path,
    table: &str,
    nth: impl Fn(usize) -> usize,
    change: impl Fn(&mut Vec<u8>),
) -> Vec<u8> {
    let env = Environment::builder().set_max_dbs(16).open(&datadir.join("state")).unwrap();
    let txn = env.begin_rw_unsync().unwrap();
    let db = txn.create_db(Some(table), DatabaseFlags::empty()).unwrap();
    let rows = txn.db_stat(&db).unwrap().entries();
    let mut cursor = txn.cursor(db).unwrap();
    let (mut key, mut value) = cursor.first::<Vec<u8>, Vec<u8>>().unwrap().expect("the table has rows");
    for _ in 0..nth(rows) {
        (key, value) = cursor.next::<Vec<u8>, Vec<u8>>().unwrap().unwrap();
    }
    cursor.del().unwrap();
    drop(cursor);
    change(&mut value);
    if !value.is_empty() {
        txn.put(db, &key, &value, WriteFlags::UPSERT).unwrap();
    }
    txn.commit().unwrap();
    key
}

/// Mends, goes on to the end, and finds nothing wrong any more.
fn mend_all(datadir: &Path, world: &World) -> (Mended, usize) {
    let config = config(datadir);
    let store = Store::open(&config, CHAIN).unwrap();
    let found = mend(&store.state, PHASE).unwrap();
    let walks = end(store, datadir, world);
    (found, walks)
}

fn end(store: Store, datadir: &Path, world: &World) -> usize {
    let config = config(datadir);
    let mut run = Run::new(&store, &config, Box::new(Open));
    let walks = go_on(world, &store, &mut run).unwrap();
    run.end().unwrap();
    scan(world, &store);
    // One process opens an environment once.
    drop(store);
    let report = verify(datadir, CHECK).unwrap();
    assert_eq!((report.findings, report.complete), (Vec::new(), true));
    walks
}

/// A mending, and what it left on the disk.
fn mended(datadir: &Path) -> (Store, Mended) {
    let store = Store::open(&config(datadir), CHAIN).unwrap();
    let found = mend(&store.state, PHASE).unwrap();
    let progress = store.state.journal().unwrap().progress.unwrap();
    assert_eq!((progress.phase, progress.rebuilt), (PHASE, None), "it is not whole any more");
    assert!(!store.state.is_being_mended().unwrap());
    (store, found)
}

fn cut_short(value: &mut Vec<u8>) {
    value.truncate(value.len() - 1);
}

// ROW: F32
#[test]
fn each_byte_that_is_flipped_in_a_row_a_branch_or_a_code_is_mended() {
    let world = World::new(200, 300);
    for table in ["Accounts", "Storages", "Codes", "AccountNodes", "StorageNodes", "Targets"] {
        for at in [|_: usize| 0, |len: usize| len / 2, |len: usize| len - 1] {
            let dir = tempfile::tempdir().unwrap();
            directory(dir.path(), &world, None);
            change(
                dir.path(),
                table,
                |rows| rows / 2,
                |value| {
                    let at = at(value.len());
                    value[at] ^= 0x04;
                },
            );
            assert!(!verify(dir.path(), CHECK).unwrap().is_clean(), "{table}");
            mend_all(dir.path(), &world);
        }
    }
}

#[test]
fn a_record_that_cannot_be_read_is_made_of_what_the_rows_say() {
    let world = World::new(100, 120);
    for stop in [None, Some(9)] {
        let dir = tempfile::tempdir().unwrap();
        directory(dir.path(), &world, stop);
        change(dir.path(), "Progress", |_| 1, |value| *value.last_mut().unwrap() ^= 1);
        let (found, walks) = mend_all(dir.path(), &world);
        assert_eq!((found.records, walks), (1, 0));
    }
}

#[test]
fn a_pack_of_accounts_that_cannot_be_read_leaves_a_gap_and_its_storages_go() {
    let world = World::new(200, 300);
    let dir = tempfile::tempdir().unwrap();
    directory(dir.path(), &world, None);
    let key = change(dir.path(), "Accounts", |rows| rows / 2, cut_short);
    let (store, found) = mended(dir.path());
    assert_eq!((found.packs, found.ranges, found.storages, found.codes), (1, 1, 0, 0));
    assert!(found.branches > 0, "nobody knows what stands above the gap");
    let journal = store.state.journal().unwrap();
    let gaps: Vec<_> = journal.accounts.gaps().collect();
    assert_eq!(gaps.len(), 1);
    assert!(gaps[0].contains(&B256::from_slice(&key)));
    let lost = world.accounts.rows.range(gaps[0].start()..=gaps[0].last()).count();
    assert!((10..40).contains(&lost), "{lost} accounts lie in one pack");
    assert!(journal.accounts.stretches().all(|(_, standing)| standing != Standing::At(synth::TARGET)));
    scan(&world, &store);
    assert_eq!(end(store, dir.path(), &world), 0, "what is left is sound: nothing has to be healed");
}

#[test]
fn a_pack_of_slots_that_cannot_be_read_leaves_a_storage_pending_with_a_gap() {
    let world = World::new(60, 300);
    let dir = tempfile::tempdir().unwrap();
    directory(dir.path(), &world, None);
    let huge = world.storages.iter().max_by_key(|(_, trie)| trie.rows.len()).unwrap();
    let is_huge = |key: &[u8]| key[..32] == huge.0[..];
    let nth = |rows: usize| {
        // Somewhere among its packs.
        let env = Environment::builder().set_max_dbs(16).open(&dir.path().join("state")).unwrap();
        let txn = env.begin_ro_unsync().unwrap();
        let db = txn.open_db(Some("Storages")).unwrap();
        let mut cursor = txn.cursor(db).unwrap();
        let mut row = cursor.first::<Vec<u8>, Vec<u8>>().unwrap();
        let mut all = Vec::new();
        while let Some((key, _)) = row {
            all.push(is_huge(&key));
            row = cursor.next().unwrap();
        }
        assert_eq!(all.len(), rows);
        let ours: Vec<usize> = (0..rows).filter(|at| all[*at]).collect();
        ours[ours.len() / 2]
    };
    let nth = nth(entries(dir.path(), "Storages"));
    let key = change(dir.path(), "Storages", |_| nth, cut_short);
    let (store, found) = mended(dir.path());
    assert_eq!((found.packs, found.ranges, found.storages, found.codes), (1, 0, 1, 0));
    let journal = store.state.journal().unwrap();
    assert!(journal.accounts.is_whole());
    let [pending] = journal.storages.as_slice() else { panic!("{:?}", journal.storages) };
    assert_eq!((pending.account, pending.expected), (*huge.0, Some(huge.1.root)), "the accounts are proven");
    let gaps: Vec<_> = pending.parts.gaps().collect();
    assert!(gaps.len() == 1 && gaps[0].contains(&B256::from_slice(&key[32..])));
    scan(&world, &store);
    assert_eq!(end(store, dir.path(), &world), 0);
}

fn entries(datadir: &Path, table: &str) -> usize {
    let env = Environment::builder().set_max_dbs(16).open(&datadir.join("state")).unwrap();
    let txn = env.begin_rw_unsync().unwrap();
    let db = txn.create_db(Some(table), DatabaseFlags::empty()).unwrap();
    txn.db_stat(&db).unwrap().entries()
}

#[test]
fn branches_are_put_right_from_the_rows_and_nothing_is_asked_for() {
    let world = World::new(200, 300);
    for table in ["AccountNodes", "StorageNodes"] {
        for cut in [cut_short as fn(&mut Vec<u8>), |value| *value.last_mut().unwrap() ^= 1, Vec::clear] {
            let dir = tempfile::tempdir().unwrap();
            directory(dir.path(), &world, None);
            change(dir.path(), table, |rows| rows / 2, cut);
            let (store, found) = mended(dir.path());
            assert!(found.branches > 0 && found.storages + found.ranges + found.codes == 0, "{found:?}");
            let journal = store.state.journal().unwrap();
            assert!(journal.accounts.is_whole() && journal.storages.is_empty() && journal.codes.is_empty());
            assert_eq!(end(store, dir.path(), &world), 0);
        }
    }
}

#[test]
fn a_code_that_is_not_what_its_hash_says_is_asked_for_again() {
    let world = World::new(60, 30);
    let dir = tempfile::tempdir().unwrap();
    directory(dir.path(), &world, None);
    let key = change(dir.path(), "Codes", |_| 1, |value| value[0] ^= 1);
    let (store, found) = mended(dir.path());
    assert_eq!(found.codes, 1);
    assert_eq!(store.state.journal().unwrap().codes, [B256::from_slice(&key)]);
    assert_eq!(end(store, dir.path(), &world), 0);
}

#[test]
fn packs_that_are_not_there_at_all_are_healed() {
    let world = World::new(200, 300);
    for table in ["Accounts", "Storages"] {
        let dir = tempfile::tempdir().unwrap();
        directory(dir.path(), &world, None);
        change(dir.path(), table, |rows| rows / 2, Vec::clear);
        let (found, _) = mend_all(dir.path(), &world);
        assert_eq!((found.packs, found.ranges), (0, 0), "nothing tells that there was one, but the roots");
        assert!(found.branches + found.storages > 0);
    }
}

#[test]
fn a_rotten_account_claims_nothing_of_peers_that_they_never_had() {
    let world = World::new(60, 30);
    let dir = tempfile::tempdir().unwrap();
    directory(dir.path(), &world, None);
    let store = Store::open(&config(dir.path()), CHAIN).unwrap();
    let snapshot = store.state.snapshot().unwrap();
    let (key, root) = snapshot
        .accounts_from(B256::ZERO)
        .unwrap()
        .map(|row| row.map(|row| (row.key, row.account.storage_root)).unwrap())
        .find(|(_, root)| *root != EMPTY_ROOT)
        .unwrap();
    drop((snapshot, store));
    let rows = entries(dir.path(), "Accounts");
    let holds = |value: &[u8]| value.windows(32).position(|bytes| bytes == root.as_slice());
    for nth in 0..rows {
        change(
            dir.path(),
            "Accounts",
            |_| nth,
            |value| {
                if let Some(at) = holds(value) {
                    value[at] ^= 1;
                }
            },
        );
    }
    let (store, _) = mended(dir.path());
    let pendings = store.state.journal().unwrap().storages;
    let owed = pendings.iter().find(|pending| pending.account == key).expect("slots and claim differ");
    assert_eq!(owed.expected, None, "which of the two is wrong is not known");
    let walks = end(store, dir.path(), &world);
    assert!(walks <= 1, "{walks}");
}

#[test]
fn records_without_a_seal_are_made_anew() {
    let world = World::new(60, 70);
    // Before the third commit, that of codes, codes and storages are pending.
    for table in ["AccountRanges", "PendingStorages", "PendingCodes", "Targets"] {
        let dir = tempfile::tempdir().unwrap();
        directory(dir.path(), &world, Some(3));
        change(dir.path(), table, |rows| rows / 2, |value| *value.last_mut().unwrap() ^= 1);
        let store = Store::open(&config(dir.path()), CHAIN).unwrap();
        let found = mend(&store.state, PHASE).unwrap();
        assert!(found.records > 0, "{table}: {found:?}");
        let mut run = Run::new(&store, &config(dir.path()), Box::new(Open));
        go_on(&world, &store, &mut run).unwrap();
        run.end().unwrap();
        // A code that nobody waited for any more is found missing once the accounts are proven.
        mend(&store.state, PHASE).unwrap();
        end(store, dir.path(), &world);
    }
}

#[test]
fn a_mending_that_is_killed_goes_on_and_nothing_is_whole_before() {
    let world = World::new(100, 120);
    let damage = |datadir: &Path| {
        change(datadir, "Accounts", |rows| rows / 3, cut_short);
        change(datadir, "Accounts", |rows| rows / 2, |value| *value.last_mut().unwrap() ^= 1);
        change(datadir, "Storages", |rows| rows / 2, cut_short);
        change(datadir, "AccountNodes", |_| 0, |value| *value.last_mut().unwrap() ^= 1);
        change(datadir, "Codes", |_| 0, |value| value[0] ^= 1);
    };
    for commit in (1..).step_by(3) {
        let dir = tempfile::tempdir().unwrap();
        directory(dir.path(), &world, None);
        damage(dir.path());
        let store = Store::open(&config(dir.path()), CHAIN).unwrap();
        let mut gate = At { commit: Some(commit), verdict: || Verdict::Abort };
        match mend_behind(&store.state, PHASE, &mut gate) {
            Err(Error::Aborted { number }) => assert_eq!(number, commit),
            Ok(_) => {
                assert!(commit > 10, "{commit} commits");
                break;
            }
            Err(error) => panic!("{error}"),
        }
        assert_eq!(store.state.is_being_mended().unwrap(), commit > 1);
        if commit > 1 {
            // Whoever goes on as if nothing were the matter is refused.
            let mut run = Run::new(&store, &config(dir.path()), Box::new(Open));
            let progress =
                StateProgress { pin: Some(world.target), phase: 7, rebuilt: Some(world.accounts.root) };
            let refused = run.write(|ticket| Write::Progress { ticket, progress }).unwrap_err();
            assert_eq!(refused.kind, "refused");
            let _refused = run.end();
        }
        let once = mend(&store.state, PHASE).unwrap();
        assert!(once.packs == 2 && once.ranges == 1 && once.branches > 0, "{commit}: {once:?}");
        let mut run = Run::new(&store, &config(dir.path()), Box::new(Open));
        go_on(&world, &store, &mut run).unwrap();
        run.end().unwrap();
        mend(&store.state, PHASE).unwrap();
        end(store, dir.path(), &world);
    }
}

#[test]
fn what_is_sound_stays_as_it_is() {
    let world = World::new(100, 120);
    for stop in [None, Some(2), Some(9), Some(20)] {
        let dir = tempfile::tempdir().unwrap();
        directory(dir.path(), &world, stop);
        let (found, walks) = mend_all(dir.path(), &world);
        assert!(found.packs + found.ranges + found.storages + found.codes + found.records == 0, "{found:?}");
        assert!(stop.is_some() || found.is_clean(), "{found:?}");
        assert_eq!(walks, 0);
    }
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&config(dir.path()), CHAIN).unwrap();
    assert!(mend(&store.state, PHASE).unwrap().is_clean(), "nothing was ever begun");
    assert!(store.state.journal().unwrap().progress.is_none());
}
