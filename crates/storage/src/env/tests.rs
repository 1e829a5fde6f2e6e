//! Memory keeps what MDBX keeps: the same verbs give the same answers.

use super::*;
use crate::Config;

static TABLES: [Table; 2] = [Table::new(0, "First", 8, 64), Table::new(1, "Second", 8, 64)];
const NAME: &str = "twins";

/// A draw that needs no library: the same seed gives the same run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }

    /// Of few different keys, so that they are met again.
    fn key(&mut self) -> Vec<u8> {
        let length = 1 + self.below(3);
        (0..length).map(|_| self.below(6) as u8).collect()
    }

    fn value(&mut self) -> Vec<u8> {
        let length = self.below(20);
        (0..length).map(|_| self.below(256) as u8).collect()
    }
}

/// What a verb gave, without its errors' words.
type Told = std::result::Result<String, &'static str>;

fn told<T: std::fmt::Debug>(result: Result<T>) -> Told {
    result.map(|found| format!("{found:?}")).map_err(|error| error.kind())
}

/// One verb of each kind on each environment; both are told.
fn write(envs: &[Env; 2], seed: u64, end: End) -> [Vec<Told>; 2] {
    [&envs[0], &envs[1]].map(|env| {
        let mut dice = Dice(seed);
        let txn = env.writer().unwrap();
        let mut all = Vec::new();
        {
            let mut cursors = [txn.cursor(&TABLES[0]).unwrap(), txn.cursor(&TABLES[1]).unwrap()];
            for _ in 0..300 {
                let table = dice.below(2) as usize;
                let (key, value) = (dice.key(), dice.value());
                let cursor = &mut cursors[table];
                all.push(match dice.below(8) {
                    0 => told(cursor.insert(&key, &value)),
                    1 => told(cursor.put(&key, &value)),
                    2 => told(txn.put(&TABLES[table], &key, &value)),
                    3 => told(txn.delete(&TABLES[table], &key)),
                    4 => told(txn.get(&TABLES[table], &key)),
                    // From a row on, as the packs do it.
                    5 => match cursor.seek(&key) {
                        Ok(Some(_)) if dice.below(2) == 0 => told(cursor.next()),
                        found => told(found),
                    },
                    6 => match cursor.find(&key) {
                        Ok(Some(_)) if dice.below(2) == 0 => {
                            told(cursor.delete().and_then(|()| cursor.next()))
                        }
                        found => told(found),
                    },
                    _ => match cursor.last() {
                        Ok(Some(_)) => told(cursor.prev()),
                        found => told(found),
                    },
                });
            }
        }
        match end {
            End::Commit => txn.commit().unwrap(),
            End::Drop => drop(txn),
        }
        all
    })
}

#[derive(Clone, Copy)]
enum End {
    Commit,
    Drop,
}

fn read(env: &Env, seed: u64) -> Vec<Told> {
    let mut dice = Dice(seed);
    let txn = env.reader().unwrap();
    let mut all: Vec<Told> = TABLES.iter().map(|table| told(txn.rows(table))).collect();
    for table in &TABLES {
        let mut cursor = txn.cursor(table).unwrap();
        let mut row = cursor.next();
        while let Ok(Some(_)) = row {
            all.push(told(row));
            row = cursor.next();
        }
        for _ in 0..50 {
            let key = dice.key();
            all.push(told(txn.get(table, &key)));
            all.push(told(cursor.seek(&key)));
            all.push(told(cursor.prev()));
            all.push(told(cursor.last()));
            all.push(told(cursor.prev()));
            all.push(told(cursor.next()));
        }
    }
    all
}

fn twins(dir: &Path, kept: &Arc<MemoryEnv>) -> [Env; 2] {
    let mapped = Env::open(dir, NAME, &Config::small(dir).state, &TABLES, |_| Ok(())).unwrap();
    [mapped, Env::open_memory(kept, NAME, &TABLES, |_| Ok(())).unwrap()]
}

// ROW: F30
#[test]
fn memory_answers_every_verb_as_mdbx_does() {
    for seed in 0..20 {
        let (dir, kept) = (tempfile::tempdir().unwrap(), Arc::default());
        let envs = twins(dir.path(), &kept);
        for round in 0..6 {
            let end = if round % 3 == 2 { End::Drop } else { End::Commit };
            let [mapped, memory] = write(&envs, seed * 100 + round, end);
            for (step, (mapped, memory)) in mapped.iter().zip(&memory).enumerate() {
                assert_eq!(mapped, memory, "seed {seed}, round {round}, step {step}");
            }
            assert_eq!(read(&envs[0], round), read(&envs[1], round), "seed {seed}, round {round}");
        }
    }
}

#[test]
fn sizes_are_checked_before_anything_is_written() {
    let (dir, kept) = (tempfile::tempdir().unwrap(), Arc::default());
    for env in twins(dir.path(), &kept) {
        let txn = env.writer().unwrap();
        assert_eq!(told(txn.put(&TABLES[0], &[0; 9], &[])), Err("too_large"));
        assert_eq!(told(txn.cursor(&TABLES[0]).unwrap().insert(&[1], &[0; 65])), Err("too_large"));
        txn.commit().unwrap();
        assert_eq!(env.reader().unwrap().rows(&TABLES[0]).unwrap(), 0);
    }
}

#[test]
fn a_reader_sees_its_moment_and_a_crash_takes_what_was_not_flushed() {
    let kept = Arc::new(MemoryEnv::new());
    let open = || Env::open_memory(&kept, NAME, &TABLES, |_| Ok(())).unwrap();
    let put = |env: &Env, key: u8| {
        let txn = env.writer().unwrap();
        txn.put(&TABLES[0], &[key], &[key]).unwrap();
        txn.commit()
    };
    let rows = |txn: &ReadTxn| txn.rows(&TABLES[0]).unwrap();
    let env = open();
    let before = env.reader().unwrap();
    put(&env, 1).unwrap();
    assert_eq!((rows(&before), rows(&env.reader().unwrap())), (0, 1));
    kept.set_flush(Flush::WhenTold);
    put(&env, 2).unwrap();
    kept.flush();
    put(&env, 3).unwrap();
    assert_eq!(rows(&env.reader().unwrap()), 3);
    kept.crash();
    assert_eq!(told(put(&env, 4)), Err("writer_gone"), "its process died");
    let env = open();
    assert_eq!(rows(&env.reader().unwrap()), 2);
    put(&env, 5).unwrap();
    assert_eq!(rows(&env.reader().unwrap()), 3);
    assert_eq!(kept.commits(), 6, "the opening commits, too");
}

/// The first row of a page lies at its end, so that an empty value begins where the next page does, and that may be the middle of a large value: libmdbx
/// finds no page there, and cannot say whether it was written to.
// ROW: F30
#[test]
fn an_empty_value_is_read_whatever_lies_behind_its_page() {
    static TABLES: [Table; 2] = [Table::new(0, "Empty", 8, 0), Table::new(1, "Large", 8, 1 << 16)];
    let dir = tempfile::tempdir().unwrap();
    let env = Env::open(dir.path(), NAME, &Config::small(dir.path()).state, &TABLES, |_| Ok(())).unwrap();
    let mut dice = Dice(1);
    for round in 0..200u64 {
        let txn = env.writer().unwrap();
        // Where pages are free changes, and with it where the row's page lies.
        txn.put(&TABLES[1], &[dice.below(16) as u8], &vec![0xab; dice.below(1 << 16) as usize]).unwrap();
        if round > 0 {
            let key = (round - 1).to_be_bytes();
            let empty = Some(Cow::Borrowed(&[][..]));
            assert_eq!(txn.get(&TABLES[0], &key).unwrap(), empty, "round {round}");
            let mut cursor = txn.cursor(&TABLES[0]).unwrap();
            assert_eq!(cursor.find(&key).unwrap(), empty, "round {round}");
            for found in [cursor.seek(&[]).unwrap(), cursor.last().unwrap()] {
                assert_eq!(found, Some((Cow::Borrowed(&key[..]), Cow::Borrowed(&[][..]))), "round {round}");
            }
            cursor.delete().unwrap();
        }
        txn.put(&TABLES[0], &round.to_be_bytes(), &[]).unwrap();
        txn.commit().unwrap();
    }
}
