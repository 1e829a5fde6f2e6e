//! Looks which account rows name codes that nobody has.
//!
//! Inbox: codes to look for. Outbox: accounts that name some of them to the planner, the codes that no row names to the state's writer.
//! Owns: nothing; it opens snapshots of its own, one after the other. Ends when: the planner drops the stop, or the writer is gone.
//!
//! It reads every account, so it is asked rarely. Rows that come meanwhile are the writer's matter: it knows what this has seen.

use std::{collections::BTreeSet, convert::Infallible};

use alloy_primitives::B256;
use crossbeam_channel::{Receiver, TryRecvError};
use snapsync_storage::Write;
use snapsync_trie::HashRange;

use crate::{
    readers::Readers,
    work::{Gone, Outbox, Report},
};

/// Rows that are read from one snapshot, which keeps the space that the writer would use again: some milliseconds of it.
const ROWS_PER_SNAPSHOT: usize = 16_384;

/// Accounts that are told of: as many as a few requests ask for again. The next search finds others.
const ACCOUNTS_MAX: usize = 256;

/// Runs until there is nothing more to look for.
pub(crate) fn run(
    inbox: &Receiver<Vec<B256>>,
    stop: &Receiver<Infallible>,
    outbox: &Outbox,
    readers: &Readers,
) {
    for hashes in inbox {
        let done = match find(hashes, stop, outbox, readers) {
            Ok(done) => done,
            Err(error) => outbox.failed(error),
        };
        if done.is_err() {
            return;
        }
    }
}

/// Reads all accounts. `Gone` also when it is to stop.
fn find(
    hashes: Vec<B256>,
    stop: &Receiver<Infallible>,
    outbox: &Outbox,
    readers: &Readers,
) -> snapsync_storage::Result<Result<(), Gone>> {
    let seen = readers.state.snapshot()?.number()?;
    let (sought, mut named, mut accounts) = (BTreeSet::from_iter(hashes), BTreeSet::new(), Vec::new());
    let mut next = Some(B256::ZERO);
    while let Some(start) = next {
        // Nothing is ever sent: the end of the sender is the stop.
        if matches!(stop.try_recv(), Err(TryRecvError::Disconnected)) {
            return Ok(Err(Gone));
        }
        let snapshot = readers.state.snapshot()?;
        let mut last = None;
        for row in snapshot.accounts_from(start)?.take(ROWS_PER_SNAPSHOT) {
            let row = row?;
            last = Some(row.key);
            if sought.contains(&row.account.code_hash) {
                named.insert(row.account.code_hash);
                if accounts.len() < ACCOUNTS_MAX {
                    accounts.push(row.key);
                }
            }
        }
        next = last.and_then(HashRange::after);
    }
    if outbox.report(Report::CodesNamed { accounts }).is_err() {
        return Ok(Err(Gone));
    }
    let hashes = sought.difference(&named).copied().collect();
    Ok(outbox.write(Write::DropCodes { ticket: readers.tickets.next(), hashes, seen }))
}

#[cfg(test)]
mod tests {
    use alloy_primitives::U256;
    use crossbeam_channel::{bounded, unbounded};
    use snapsync_storage::{Chain, Config, StateProgress, Store, TargetRecord, Ticket};
    use snapsync_trie::{Account, Builder, EMPTY_CODE, EMPTY_ROOT, TargetId, rows_of, verify_accounts};

    use super::*;
    use crate::readers::Tickets;

    /// A store whose accounts have these codes, in the order of their keys.
    fn store(dir: &std::path::Path, codes: &[B256]) -> (Store, Vec<B256>) {
        let account = |code: &B256| Account {
            nonce: 1,
            balance: U256::from(1),
            storage_root: EMPTY_ROOT,
            code_hash: *code,
        };
        let keys: Vec<B256> = (1..=codes.len() as u8).map(B256::repeat_byte).collect();
        let rows: Vec<(B256, Account)> = keys.iter().copied().zip(codes.iter().map(account)).collect();
        let mut builder = Builder::new();
        rows.iter().for_each(|(key, account)| builder.push_leaf(*key, &account.to_rlp()));
        let root = builder.finish().root;
        let slim: Vec<(B256, Vec<u8>)> =
            rows.iter().map(|(key, account)| (*key, account.to_slim())).collect();
        let proved =
            verify_accounts(root, HashRange::FULL, rows_of(&slim), &[] as &[&[u8]]).expect("all of them");
        let config = Config::small(dir);
        let store = Store::open(&config, Chain { id: 1, genesis: B256::ZERO }).expect("a store");
        let writer = store.state.writer(&config, Box::new(drop)).expect("a writer");
        let (ticket, target) = (Ticket(0), TargetId(0));
        let pin = Some(TargetRecord { id: target, number: 1, hash: B256::ZERO, root });
        let progress = StateProgress { pin, phase: 2, rebuilt: None };
        writer.send(Write::Progress { ticket, progress }).expect("open");
        writer
            .send(Write::Accounts { ticket, target, accounts: proved.into(), response_bytes: 0 })
            .expect("open");
        writer.join().expect("written");
        (store, keys)
    }

    #[test]
    fn accounts_that_name_a_code_are_told_and_codes_that_none_names_go_to_the_writer() {
        let dir = tempfile::tempdir().expect("a directory");
        let [here, gone] = [0xaa, 0xbb].map(B256::repeat_byte);
        let (store, keys) = store(dir.path(), &[EMPTY_CODE, here, EMPTY_CODE, here]);
        let ((reports, told), (state, writes)) = (unbounded(), unbounded());
        let (history, _history) = unbounded();
        let outbox =
            Outbox { reports, state, history, hashed: Default::default(), lists_above: Default::default() };
        let readers =
            Readers { state: store.state.clone(), history: store.history.clone(), tickets: Tickets::new() };
        let (keep, stop) = bounded(0);
        find(vec![here, gone], &stop, &outbox, &readers).expect("our own disk").expect("nobody stops it");
        let Ok(Report::CodesNamed { accounts }) = told.try_recv() else { panic!("nothing was told") };
        assert_eq!(accounts, [keys[1], keys[3]]);
        let Ok(Write::DropCodes { hashes, seen, .. }) = writes.try_recv() else {
            panic!("nothing was written")
        };
        assert_eq!((hashes, seen), (vec![gone], store.state.snapshot().expect("one").number().expect("it")));
        drop(keep);
        assert!(find(vec![here], &stop, &outbox, &readers).expect("our own disk").is_err(), "it is to stop");
    }
}
