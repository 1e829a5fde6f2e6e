//! Damage on the disk: one byte of one row, and `verify` fails and says where.

#![expect(clippy::unwrap_used, reason = "what is not there fails the test, also in what tests share")]

use std::{fs, path::Path, time::Duration};

use alloy_primitives::hex;
use serde_json::json;
use signet_libmdbx::{DatabaseFlags, Environment, WriteFlags};
use snapsync_e2e::{
    chain::TestChain,
    order::{self, Order},
    presence::geth_or_report,
    program,
    recipe::Size,
};

const PATIENCE: Duration = Duration::from_secs(120);

/// A row of a table: its key and its value.
type Row = (Vec<u8>, Vec<u8>);

/// Takes the row in the middle of a table away and puts one with another last byte in its place, past everything that the
/// program checks before it writes. Gives both.
fn flip(environment: &Path, table: &str) -> (Row, Row) {
    let (key, value) = middle(environment, table);
    let mut flipped = value.clone();
    *flipped.last_mut().unwrap() ^= 0x04;
    let (before, after) = ((key.clone(), value), (key, flipped));
    replace(environment, table, &before, &after);
    (before, after)
}

fn middle(environment: &Path, table: &str) -> Row {
    let environment = Environment::builder().set_max_dbs(16).open(environment).unwrap();
    let txn = environment.begin_rw_unsync().unwrap();
    let db = txn.create_db(Some(table), DatabaseFlags::empty()).unwrap();
    let rows = txn.db_stat(&db).unwrap().entries();
    let mut cursor = txn.cursor(db).unwrap();
    let mut row = cursor.first::<Vec<u8>, Vec<u8>>().unwrap().unwrap();
    for _ in 0..rows / 2 {
        row = cursor.next::<Vec<u8>, Vec<u8>>().unwrap().unwrap();
    }
    row
}

fn replace(environment: &Path, table: &str, old: &Row, new: &Row) {
    let environment = Environment::builder().set_max_dbs(16).open(environment).unwrap();
    let txn = environment.begin_rw_unsync().unwrap();
    let db = txn.create_db(Some(table), DatabaseFlags::empty()).unwrap();
    assert!(txn.del(db, &old.0, Some(&old.1)).unwrap(), "{table} has the row");
    txn.put(db, &new.0, &new.1, WriteFlags::UPSERT).unwrap();
    txn.commit().unwrap();
}

/// The key of the last row of a pack, whose body ends the value: its key's length, its body's, its key, its body.
fn last_key((key, value): &Row, prefix_len: usize) -> Vec<u8> {
    // Keys of rows have one length, and no body has 128 bytes.
    let (mut last, mut rest) = (key[prefix_len..].to_vec(), &value[1 + usize::from(value[0])..]);
    while let [shared, body_len, frame @ ..] = rest {
        let (own, behind) = frame.split_at(last.len() - usize::from(*shared));
        last.splice(usize::from(*shared).., own.iter().copied());
        rest = &behind[usize::from(*body_len)..];
    }
    last
}

/// A branch of a trie knows that the rows below its children are not those it was made from, and is named by its path: a byte a nibble.
/// Whether `verify` ended with 5, named the table, and no path but those that lead to the row; gives the longest.
fn assert_named(datadir: &Path, table: &str, nodes: &str, is_on_the_way: impl Fn(&str) -> bool) -> String {
    let (finished, report) = order::verify(datadir, PATIENCE).unwrap();
    assert_eq!(finished.code(), Some(5), "{table}: {}\n{}", finished.stdout, finished.stderr);
    let findings = report["findings"].as_array().unwrap();
    assert!(
        findings.iter().any(|finding| finding["table"] == json!(table)),
        "{table} is not in {findings:?}"
    );
    let mut longest = String::new();
    for finding in findings {
        let (found, key) = (finding["table"].as_str().unwrap(), finding["key"].as_str().unwrap());
        assert!([table, nodes].contains(&found) && is_on_the_way(key), "{finding} leads elsewhere");
        longest = if key.len() > longest.len() { key.to_owned() } else { longest };
    }
    // The same for people.
    let words = ["verify".as_ref(), "--datadir".as_ref(), datadir.as_os_str()];
    let finished = program::run(words, PATIENCE).unwrap();
    assert_eq!(finished.code(), Some(5));
    assert!(finished.stdout.contains(table) && finished.stdout.contains(&longest), "{}", finished.stdout);
    assert!(finished.stderr.contains("nothing was changed"), "{}", finished.stderr);
    longest
}

/// A key's nibbles as a path is written: two digits a nibble.
fn path_of(key: &[u8]) -> String {
    key.iter().map(|byte| format!("{:02x}{:02x}", byte >> 4, byte & 15)).collect()
}

// ROW: F32, F60
#[test]
fn verify_names_table_and_path_of_one_flipped_byte() {
    let Some(tools) = geth_or_report("verify_names_table_and_path_of_one_flipped_byte") else { return };
    let chain = TestChain::of(&tools, Size::SMALL).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let geth = chain.serve(&tools, folder.path()).unwrap();
    let datadir = folder.path().join("snapsync");
    let finished = Order::to_head_of(&chain, geth.enode(), &datadir).run(PATIENCE).unwrap();
    assert_eq!(finished.code(), Some(0), "{}", finished.stderr);
    drop(geth);
    let state = datadir.join("state");

    let (before, after) = flip(&state, "Accounts");
    let path = path_of(&last_key(&before, 0));
    let named = assert_named(&datadir, "Accounts", "AccountNodes", |key| path.starts_with(key));
    // 22,000 accounts: three nibbles lead to a handful of them, and the branch above those is stored.
    assert!(named.len() >= 4, "{named}");
    replace(&state, "Accounts", &after, &before);

    let (before, after) = flip(&state, "Storages");
    let (account, path) = (hex::encode(&before.0[..32]), path_of(&last_key(&before, 32)));
    let is_on_the_way = |key: &str| key.strip_prefix(&account).is_some_and(|rest| path.starts_with(rest));
    let named = assert_named(&datadir, "Storages", "StorageNodes", is_on_the_way);
    // The row in the middle is one of the 50,000 of the huge contract.
    assert!(named.len() >= account.len() + 4, "{named}");
    replace(&state, "Storages", &after, &before);

    let history = datadir.join("history");
    let (before, after) = flip(&history, "Receipts");
    let row = hex::encode(&before.0);
    assert_named(&datadir, "Receipts", "Receipts", |key| row.starts_with(key));
    replace(&history, "Receipts", &after, &before);

    let (finished, report) = order::verify(&datadir, PATIENCE).unwrap();
    assert_eq!((finished.code(), &report["findings"]), (Some(0), &json!([])));

    // A file that ends too early is said to be damaged, by whoever opens it.
    let file = fs::File::options().write(true).open(state.join("mdbx.dat")).unwrap();
    file.set_len(8_192).unwrap();
    for (command, code) in [("status", 6), ("verify", 5)] {
        let finished =
            program::run([command.as_ref(), "--datadir".as_ref(), datadir.as_os_str()], PATIENCE).unwrap();
        assert_eq!(finished.code(), Some(code), "{}", finished.stderr);
        assert!(finished.stderr.contains("database state is damaged"), "{}", finished.stderr);
    }
}
