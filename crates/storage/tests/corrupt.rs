//! Packs that are damaged on the disk, one way after another: each is an error with its table's name, and never a panic.

#![allow(clippy::unwrap_used, reason = "a failing test may panic anywhere")]

mod synth;

use std::{collections::BTreeMap, fs, path::Path as FilePath};

use alloy_primitives::{B256, U256};
use signet_libmdbx::{DatabaseFlags, Environment, WriteFlags};
use snapsync_keccak::keccak256;
use snapsync_storage::{
    Config, Derived, Error, NodeChanges, Open, Report, Result, StateStore, Store, VerifyConfig, Write, mend,
    verify,
};
use snapsync_trie::{Account, Builder, HashRange, Path, TrieSource, prove, rebuild, subtries};
use synth::{CHAIN, Run, World, config, mended::go_on, scan, sync};

/// A pack as it lies in its table, with the first key of the next one.
struct Raw {
    prefix_len: usize,
    key: Vec<u8>,
    value: Vec<u8>,
    next: Vec<u8>,
}

/// Where a frame's parts begin: at its first byte, at the length of its body, at what its key does not share, at its body; its end;
/// and its whole key.
struct Frame {
    at: usize,
    body_len: usize,
    own: usize,
    body: usize,
    end: usize,
    key: Vec<u8>,
}

impl Raw {
    fn frames(&self) -> Vec<Frame> {
        let (mut at, mut frames, mut key) = (0, Vec::new(), self.key[self.prefix_len..].to_vec());
        while at < self.value.len() {
            let (mut body_len, mut shared, mut key_len) = (at, key.len(), key.len());
            if at > 0 {
                shared = usize::from(self.value[at] & 0x7f);
                body_len += 1;
                if self.value[at] & 0x80 != 0 {
                    key_len = usize::from(self.value[body_len]);
                    body_len += 1;
                }
            }
            let (mut own, mut len) = (body_len + 1, usize::from(self.value[body_len]));
            if len & 0x80 != 0 {
                len = (len & 0x7f) << 8 | usize::from(self.value[own]);
                own += 1;
            }
            let body = own + key_len - shared;
            key.truncate(shared);
            key.extend_from_slice(&self.value[own..body]);
            frames.push(Frame { at, body_len, own, body, end: body + len, key: key.clone() });
            at = body + len;
        }
        frames
    }

    /// Gives a row that is not the first another key.
    fn move_row(&mut self, at: usize, key: &[u8]) {
        let frames = self.frames();
        let (before, row) = (&frames[at - 1].key, &frames[at]);
        let shared = before.iter().zip(key).take_while(|(one, other)| one == other).count();
        let mut frame = match key.len() == before.len() {
            true => vec![shared as u8],
            false => vec![shared as u8 | 0x80, key.len() as u8],
        };
        frame.extend_from_slice(&self.value[row.body_len..row.own]);
        frame.extend_from_slice(&key[shared..]);
        self.value.splice(row.at..row.body, frame);
    }

    fn move_last(&mut self, key: &[u8]) {
        self.move_row(self.frames().len() - 1, key);
    }
}

type Damage = (&'static str, fn(&mut Raw));

/// Each needs a pack of three rows at least, with another one of the same prefix behind it.
const DAMAGES: [Damage; 19] = [
    ("no row", |raw| raw.value.clear()),
    ("a frame that is cut in its lengths", |raw| raw.value.truncate(raw.frames()[1].at + 1)),
    ("a frame that is cut in its key", |raw| raw.value.truncate(raw.frames()[1].body - 1)),
    ("a frame that is cut in its body", |raw| raw.value.truncate(raw.frames()[1].end - 1)),
    ("one byte too many", |raw| raw.value.push(0)),
    ("a first row that shares a key", |raw| raw.value.insert(0, 1)),
    ("a later row without a key of its own", |raw| {
        let frames = raw.frames();
        raw.value[frames[1].at] = frames[0].key.len() as u8;
    }),
    ("a row with the longest key that a length can say", |raw| {
        let second = &raw.frames()[1];
        raw.value.splice(second.at..second.body_len, [0x80, 255]);
    }),
    ("a row that shares more than there is", |raw| {
        let second = &raw.frames()[1];
        raw.value[second.at] |= 0x7f;
    }),
    ("the largest body that a length can say", |raw| {
        let second = &raw.frames()[1];
        raw.value.splice(second.body_len..second.own, [255, 255]);
    }),
    ("a body of nothing", |raw| {
        let second = &raw.frames()[1];
        raw.value.splice(second.body_len..second.own, [0]);
    }),
    ("a row before the one before it", |raw| {
        let len = raw.frames()[1].key.len();
        raw.move_row(1, &vec![0; len]);
    }),
    ("the same key twice", |raw| {
        let key = raw.frames()[1].key.clone();
        raw.move_row(2, &key);
    }),
    ("a last row with the next pack's key", |raw| {
        let next = raw.next[raw.prefix_len..].to_vec();
        raw.move_last(&next);
    }),
    ("a last row behind the next pack's first", |raw| {
        let mut key = raw.next[raw.prefix_len..].to_vec();
        // A hash stays one: its last byte is not the largest. A path gets a child.
        if raw.next.len() == raw.prefix_len + 32 {
            key[31] |= 1;
        } else {
            key.push(0);
        }
        raw.move_last(&key);
    }),
    ("a last row behind all others", |raw| {
        let key = if raw.next.len() == raw.prefix_len + 32 { vec![0xff; 32] } else { vec![15; 64] };
        raw.move_last(&key);
    }),
    ("a key that is too long", |raw| raw.move_last(&[15; 65])),
    ("a table's key that is too short", |raw| raw.key.truncate(raw.prefix_len.saturating_sub(1))),
    ("a table's key behind its second row", |raw| {
        let second = &raw.frames()[1];
        raw.key = [&raw.key[..raw.prefix_len], &second.key, &[0]].concat();
        let max = if raw.prefix_len + 32 == raw.next.len() { raw.next.len() } else { usize::MAX };
        raw.key.truncate(max);
    }),
];

const TABLES: [(&str, usize); 4] =
    [("Accounts", 0), ("Storages", 32), ("AccountNodes", 0), ("StorageNodes", 32)];

/// Half of the keys differ in few bits, so that several packs lie in one sub-trie of a check; the others are spread, so that
/// branches are of all sizes.
fn world() -> World {
    let key = |at: u64| {
        let mut key = B256::repeat_byte(0x5a);
        key.0[20..28].copy_from_slice(&(at * 0x0101_0101_0101).to_be_bytes());
        if at.is_multiple_of(2) { key } else { keccak256(&at.to_be_bytes()) }
    };
    let account = |at| Account { nonce: at, balance: U256::from(at * at), ..Account::EMPTY };
    let slots: BTreeMap<B256, U256> = (0..300).map(|at| (key(at), U256::from(at + 1) << 200)).collect();
    let storages = [1, 4].map(|at| (key(at), slots.clone())).into();
    World::of((0..300).map(|at| (key(at), account(at))).collect(), &storages)
}

/// Damages a pack in the middle of the longest run of packs of one prefix; says what its key was.
fn damage(state: &FilePath, table: &str, prefix_len: usize, damage: fn(&mut Raw)) -> Vec<u8> {
    let env = Environment::builder().set_max_dbs(16).open(state).unwrap();
    let txn = env.begin_rw_unsync().unwrap();
    let db = txn.create_db(Some(table), DatabaseFlags::empty()).unwrap();
    let mut packs = Vec::new();
    let mut cursor = txn.cursor(db).unwrap();
    let mut pack = cursor.first::<Vec<u8>, Vec<u8>>().unwrap();
    while let Some(found) = pack {
        packs.push(found);
        pack = cursor.next().unwrap();
    }
    drop(cursor);
    let fits = |pair: &[(Vec<u8>, Vec<u8>)]| {
        let raw = Raw { prefix_len, key: pair[0].0.clone(), value: pair[0].1.clone(), next: Vec::new() };
        pair[0].0[..prefix_len] == pair[1].0[..prefix_len] && raw.frames().len() >= 3
    };
    let places: Vec<usize> = (0..packs.len() - 1).filter(|at| fits(&packs[*at..at + 2])).collect();
    let at = *places.get(places.len() / 2).unwrap_or_else(|| panic!("{table} has packs side by side"));
    let (key, value) = packs[at].clone();
    let mut raw = Raw { prefix_len, key: key.clone(), value, next: packs[at + 1].0.clone() };
    damage(&mut raw);
    txn.del(db, &key, None).unwrap();
    txn.put(db, &raw.key, &raw.value, WriteFlags::UPSERT).unwrap();
    txn.commit().unwrap();
    key
}

/// Reads everything in every way; what fails says which table it is.
fn read_all(world: &World, store: &StateStore, table: &str) {
    let is_named = |error: Error| match error {
        Error::Corrupt { table: named, .. } => assert_eq!(named, table),
        error => panic!("{error}"),
    };
    let snapshot = store.snapshot().unwrap();
    let mut last = None;
    for row in snapshot.accounts_from(B256::ZERO).unwrap() {
        let Ok(row) = row.map_err(is_named) else { continue };
        assert!(last.replace(row.key).is_none_or(|last| last < row.key), "accounts rise");
    }
    for key in world.accounts.rows.keys() {
        snapshot.account(key).map_err(is_named).ok();
    }
    for account in world.storages.keys() {
        let mut last = None;
        for slot in snapshot.slots_from(*account, B256::ZERO).unwrap() {
            let Ok(slot) = slot.map_err(is_named) else { continue };
            assert!(last.replace(slot.key).is_none_or(|last| last < slot.key), "slots rise");
        }
        derive(&mut snapshot.storage_trie(*account).unwrap(), world).map_err(is_named).ok();
    }
    derive(&mut snapshot.account_trie().unwrap(), world).map_err(is_named).ok();
    for path in world.accounts.nodes.keys() {
        snapshot.account_branch(path).map_err(is_named).ok();
    }
}

/// Proves each key, and derives the trie in parts.
fn derive<S: TrieSource<Error = Error>>(trie: &mut S, world: &World) -> Result<()> {
    let proved: Vec<_> = world.accounts.rows.keys().map(|key| prove(trie, &[*key])).collect();
    for prefix in subtries(1) {
        rebuild(trie, prefix, &mut |_| Ok(()))?;
    }
    proved.into_iter().try_for_each(|proof| proof.map(drop))
}

/// Writes over everything: the writer ends with an error that names what is wrong, or does not touch it.
fn write_all(world: &World, store: &Store, run: &mut Run) {
    let mut builder = Builder::new();
    for (key, value) in &world.accounts.rows {
        builder.push_leaf(*key, value);
    }
    let removed = vec![Path::of_key(&HashRange::FULL.last())];
    let nodes = NodeChanges { put: builder.finish().nodes, removed };
    let (derived, seen) = (Derived::Part, snapsync_storage::CommitNumber::NEWEST);
    if let Err(error) = run.write(|ticket| Write::AccountNodes { ticket, nodes, derived, seen }) {
        assert!(["corrupt", "too_large"].contains(&error.kind), "{error:?}");
        return;
    }
    assert!(store.state.snapshot().unwrap().counters().unwrap().accounts > 0);
}

/// Does something with a synced directory for each table and each kind of damage to one of its packs.
fn for_each_damage(mut look: impl FnMut(&World, &Config, &'static str)) {
    let world = world();
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path());
    {
        let store = Store::open(&config, CHAIN).unwrap();
        let mut run = Run::new(&store, &config, Box::new(Open));
        sync(&world, &store, &mut run).unwrap();
        run.end().unwrap();
    }
    let file = dir.path().join("state/mdbx.dat");
    let sound = fs::read(&file).unwrap();
    for (table, prefix_len) in TABLES {
        for (what, change) in DAMAGES {
            fs::write(&file, &sound).unwrap();
            let key = damage(&dir.path().join("state"), table, prefix_len, change);
            println!("{table} {}: {what}", alloy_primitives::hex::encode(&key));
            look(&world, &config, table);
        }
    }
}

/// What a verification of a whole directory finds.
fn report(config: &Config) -> Report {
    verify(&config.datadir, VerifyConfig { threads: 1, findings_max: 1000 }).unwrap()
}

// ROW: F32
#[test]
fn a_damaged_pack_is_an_error_of_its_table_and_no_panic() {
    for_each_damage(|world, config, table| {
        let findings = report(config).findings;
        assert!(findings.iter().any(|finding| finding.table == table), "{findings:?}");
        let store = Store::open(config, CHAIN).unwrap();
        read_all(world, &store.state, table);
        let mut run = Run::new(&store, config, Box::new(Open));
        write_all(world, &store, &mut run);
        let _told_already = run.end();
    });
}

// ROW: F32
#[test]
fn whatever_is_damaged_of_a_pack_is_mended() {
    for_each_damage(|world, config, _| {
        {
            let store = Store::open(config, CHAIN).unwrap();
            assert!(!mend(&store.state, 2).unwrap().is_clean());
            let mut run = Run::new(&store, config, Box::new(Open));
            go_on(world, &store, &mut run).unwrap();
            run.end().unwrap();
            scan(world, &store);
        }
        let report = report(config);
        assert_eq!((report.findings, report.complete), (Vec::new(), true));
    });
}
