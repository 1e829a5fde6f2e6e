//! New packs into the write transaction, between those that are there, so that pages become full.
//!
//! It trusts its callers that packs do not overlap, and does not look into them.

use crate::{
    env::{Table, WriteCursor, WriteTxn},
    error::Result,
};

/// Puts new packs, which overlap none of those that are there, and leaves full pages behind.
///
/// MDBX cuts a full page in the middle when a key comes between two of its own, and begins a new page when it comes behind the
/// last. Of a run of packs that is put before one that is there, all but a few come between:
///
/// ```text
///   [a b z] c        [a b] [c z] d e        [a b] [c d] [e z]     a third of each page stays empty
///   [a b] c, z aside [a b c] d e            [a b c] [d e z]       with z taken out until the run is over
/// ```
///
/// What it took out is not in the table until [`Inserter::settle`]: whoever reads or clears the table calls that first.
#[derive(Debug)]
pub(crate) struct Inserter<'t> {
    cursor: WriteCursor<'t>,
    behind: Behind,
}

/// What lies behind the pack that was put last.
#[derive(Debug)]
enum Behind {
    /// Nobody looked. So many packs were put since.
    Unknown(usize),
    /// Nothing at all.
    End,
    /// This pack, which was taken out.
    Aside { key: Vec<u8>, value: Vec<u8> },
}

/// A run that fills no page is not worth taking its neighbour out.
const RUN_MIN: usize = 3;

impl<'t> Inserter<'t> {
    pub(crate) fn new(txn: &'t WriteTxn<'_>, table: &'static Table) -> Result<Self> {
        Ok(Self { cursor: txn.cursor(table)?, behind: Behind::Unknown(0) })
    }

    /// Puts packs. Refuses to touch one that is there. Keys that rise from call to call are cheap.
    pub(crate) fn insert<'a>(&mut self, packs: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> Result<()> {
        for (key, value) in packs {
            if let Behind::Aside { key: aside, .. } = &self.behind
                && key >= aside.as_slice()
            {
                self.settle()?;
            }
            self.cursor.insert(key, value)?;
            if let Behind::Unknown(run) = &mut self.behind {
                *run += 1;
                if *run == RUN_MIN {
                    self.look_behind()?;
                }
            }
        }
        Ok(())
    }

    /// Puts back what was taken out.
    pub(crate) fn settle(&mut self) -> Result<()> {
        match std::mem::replace(&mut self.behind, Behind::Unknown(0)) {
            Behind::Aside { key, value } => self.cursor.insert(&key, &value),
            Behind::Unknown(_) | Behind::End => Ok(()),
        }
    }

    fn look_behind(&mut self) -> Result<()> {
        let found = self.cursor.next()?.map(|(key, value)| (key.into_owned(), value.into_owned()));
        self.behind = match found {
            None => Behind::End,
            Some((key, value)) => {
                self.cursor.delete()?;
                Behind::Aside { key, value }
            }
        };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::{
        Config, Error,
        env::Env,
        state::{
            pack::PACK_MAX,
            tables::{ACCOUNTS, TABLES},
        },
    };

    type Rows = BTreeMap<Vec<u8>, Vec<u8>>;

    fn opened(dir: &tempfile::TempDir) -> Env {
        let config = Config::small(dir.path());
        Env::open(&dir.path().join("state"), "state", &config.state, &TABLES, |_| Ok(())).unwrap()
    }

    fn put(env: &Env, runs: &[Rows]) -> Result<()> {
        let txn = env.writer()?;
        let mut inserter = Inserter::new(&txn, ACCOUNTS)?;
        for run in runs {
            inserter.insert(run.iter().map(|(key, value)| (key.as_slice(), value.as_slice())))?;
        }
        inserter.settle()?;
        drop(inserter);
        txn.commit()
    }

    fn read(env: &Env) -> Rows {
        let txn = env.reader().unwrap();
        let mut cursor = txn.cursor(ACCOUNTS).unwrap();
        let (mut rows, mut row) = (Rows::new(), cursor.seek(&[]).unwrap());
        while let Some((key, value)) = row {
            rows.insert(key.to_vec(), value.to_vec());
            row = cursor.next().unwrap();
        }
        rows
    }

    #[test]
    fn runs_that_grow_side_by_side_fill_their_pages() {
        let (runs, rounds, packs) = (16_u64, 10_u64, 32_u64);
        let dir = tempfile::tempdir().unwrap();
        let env = opened(&dir);
        for round in 0..rounds {
            let run = |run: u64| -> Rows {
                let keys = (0..packs).map(|pack| (run << 32 | (round * packs + pack)).to_be_bytes());
                keys.map(|key| (key.to_vec(), vec![7; PACK_MAX - key.len()])).collect()
            };
            put(&env, &(0..runs).map(run).collect::<Vec<_>>()).unwrap();
        }
        let txn = env.reader().unwrap();
        let (entries, pages) = (txn.rows(ACCOUNTS).unwrap(), txn.leaf_pages(ACCOUNTS).unwrap());
        assert_eq!(entries, runs * rounds * packs);
        // Three packs a page, and a page that is not full for each run of a round.
        assert!(pages <= entries / 3 + runs * rounds, "{entries} packs in {pages} pages");
    }

    #[test]
    fn pack_that_is_there_is_not_touched_nor_is_one_that_was_set_aside() {
        let dir = tempfile::tempdir().unwrap();
        let env = opened(&dir);
        let one = |key: u8| Rows::from([(vec![key], vec![key; 9])]);
        put(&env, &[one(1), one(9)]).unwrap();
        for there in [1, 9] {
            let refused = put(&env, &[one(2), one(3), one(4), one(there)]);
            assert!(matches!(refused, Err(Error::Mdbx { .. })), "{refused:?}");
            assert_eq!(read(&env).len(), 2);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn whatever_is_put_lies_beside_what_was_there(
            rounds in prop::collection::vec(
                prop::collection::vec(
                    prop::collection::btree_map(
                        prop::collection::vec(any::<u8>(), 1..4),
                        prop::collection::vec(any::<u8>(), 0..PACK_MAX),
                        0..12,
                    ),
                    1..5,
                ),
                1..5,
            ),
        ) {
            let dir = tempfile::tempdir().unwrap();
            let env = opened(&dir);
            let mut expected = Rows::new();
            for mut runs in rounds {
                for run in &mut runs {
                    run.retain(|key, _| !expected.contains_key(key));
                    expected.append(&mut run.clone());
                }
                put(&env, &runs).unwrap();
                prop_assert_eq!(&read(&env), &expected);
            }
        }
    }
}
