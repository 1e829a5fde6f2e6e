//! From an answer about the state to what it is worth and what it gives to the writer. No channel, no clock: the simulation runs the same.
//! Answers that are looked at beside our own tries: `compared.rs`.
//!
//! An empty answer without a proof means that the peer lacks what was asked for. A lie gives nothing to write.

use alloy_primitives::{B256, Bytes};
use snapsync_peers::{Fault, Outcome};
use snapsync_storage::{CheckedList, ListFault, Retreat, Ticket, Write};
use snapsync_stream::{Answered, RequestId, Verdict};
use snapsync_sync::{BlockRange, PartialStorage};
use snapsync_trie::{
    HashRange, Hashed, StorageClaim, StorageQuery, TargetId, VerifiedAccounts, VerifiedStorages, Verifier,
    verify_codes,
};
use snapsync_wire::{
    Header,
    eth::BlockAccessLists,
    snap::{AccountRange, ByteCodes, StorageRanges},
};

/// What an answer is worth.
#[derive(Debug)]
pub struct Proved {
    /// For the desk.
    pub verdict: Verdict,
    /// What was hashed for it.
    pub hashed: Hashed,
    /// For the state's writer, under the request's ticket.
    pub write: Option<Write>,
}

impl Proved {
    pub(crate) fn nothing(verdict: Verdict) -> Self {
        Self { verdict, hashed: Hashed::default(), write: None }
    }

    pub(crate) fn lie(fault: impl Into<Fault>) -> Self {
        Self::nothing(Verdict::invalid(fault.into()))
    }
}

/// Accounts, against the root and the range that were asked for.
pub fn accounts(
    verifier: &mut Verifier,
    request: RequestId,
    (target, root, range): (TargetId, B256, HashRange),
    answer: &AccountRange,
) -> Proved {
    let accounts = match verified(verifier, root, range, answer) {
        Ok(accounts) => accounts,
        Err(outcome) => return Proved::nothing(Verdict { outcome, answered: Answered::Nothing }),
    };
    let (covered, hashed) = (accounts.covered(), accounts.hashed());
    let outcome = if covered.last() >= range.last() { Outcome::Complete } else { Outcome::Partial };
    let (ticket, accounts, response_bytes) = (Ticket(request.0), accounts.into(), weight(answer));
    Proved {
        verdict: Verdict { outcome, answered: Answered::Accounts { covered } },
        hashed,
        write: Some(Write::Accounts { ticket, target, accounts, response_bytes }),
    }
}

/// An account that is asked again: a range of its key alone. That there is none any more is proved as well as a row is.
pub fn renewal(
    verifier: &mut Verifier,
    request: RequestId,
    (target, root, account): (TargetId, B256, B256),
    answer: &AccountRange,
) -> Proved {
    let accounts = match verified(verifier, root, HashRange::single(account), answer) {
        Ok(accounts) => accounts,
        Err(outcome) => return Proved::nothing(Verdict { outcome, answered: Answered::Nothing }),
    };
    let hashed = accounts.hashed();
    let (ticket, accounts, response_bytes) = (Ticket(request.0), accounts.into(), weight(answer));
    Proved {
        verdict: Verdict { outcome: Outcome::Complete, answered: Answered::Renewed },
        hashed,
        write: Some(Write::Renewal { ticket, target, accounts, response_bytes }),
    }
}

fn verified(
    verifier: &mut Verifier,
    root: B256,
    range: HashRange,
    answer: &AccountRange,
) -> Result<VerifiedAccounts, Outcome> {
    if answer.accounts.is_empty() && answer.proof.is_empty() {
        return Err(Outcome::Unavailable);
    }
    let accounts = verifier.accounts(root, range, &answer.accounts, &answer.proof);
    accounts.map_err(|fault| Outcome::Invalid(fault.into()))
}

fn weight(answer: &AccountRange) -> u64 {
    answer.accounts.content_bytes() + content(&answer.proof)
}

/// Storages, each set against the root that its account claims; the range is that of the first.
pub fn storages(
    verifier: &mut Verifier,
    request: RequestId,
    (target, claims, range): (TargetId, &[StorageClaim], HashRange),
    answer: &StorageRanges,
) -> Proved {
    if answer.sets.is_empty() && answer.proof.is_empty() {
        return Proved::nothing(Verdict::unavailable());
    }
    let storages = match verifier.storages(StorageQuery { claims, range }, &answer.sets, &answer.proof) {
        Ok(storages) => storages,
        Err(fault) => return Proved::lie(fault),
    };
    let (verdict, hashed) = (of_storages(claims, range, &storages), storages.hashed());
    let response_bytes = answer.sets.rows().content_bytes() + content(&answer.proof);
    let (ticket, storages) = (Ticket(request.0), storages.into());
    Proved { verdict, hashed, write: Some(Write::Storages { ticket, target, storages, response_bytes }) }
}

fn of_storages(claims: &[StorageClaim], range: HashRange, storages: &VerifiedStorages) -> Verdict {
    let settled: Vec<_> =
        storages.sets().filter(|set| set.is_whole()).map(|set| set.claim().account).collect();
    let partial = storages.sets().find(|set| !set.is_whole()).map(|set| PartialStorage {
        account: set.claim().account,
        covered: set.covered(),
        slots: set.rows().len() as u64,
    });
    let complete = storages.len() == claims.len()
        && partial.is_none_or(|partial| partial.covered.last() >= range.last());
    let outcome = if complete { Outcome::Complete } else { Outcome::Partial };
    Verdict { outcome, answered: Answered::Storages { settled, partial } }
}

/// Codes: each is what its hash says.
pub fn codes(request: RequestId, hashes: &[B256], answer: ByteCodes) -> Proved {
    if answer.codes.is_empty() {
        return Proved::nothing(Verdict::unavailable());
    }
    let response_bytes = content(&answer.codes);
    let codes = match verify_codes(hashes, answer.codes) {
        Ok(codes) => codes,
        Err(fault) => return Proved::lie(fault),
    };
    let found: Vec<B256> = codes.iter().map(|(hash, _)| hash).collect();
    let outcome = if found.len() == hashes.len() { Outcome::Complete } else { Outcome::Partial };
    Proved {
        verdict: Verdict { outcome, answered: Answered::Codes { found } },
        hashed: Hashed::default(),
        write: Some(Write::Codes { ticket: Ticket(request.0), codes, response_bytes }),
    }
}

/// Access lists, each against the header of its block. What follows a list that the peer does not have is of no use: they are brought to rows
/// in their order.
pub fn lists(request: RequestId, headers: &[Header], answer: BlockAccessLists) -> Proved {
    checked(headers, answer, |lists, response_bytes| {
        Some(Write::Lists { ticket: Ticket(request.0), lists, response_bytes })
    })
}

/// The access list of a block that the chain has left, whose header is the only one of these, against that; `parent` is the header before it.
pub fn left_list(
    request: RequestId,
    headers: &[Header],
    parent: &Header,
    answer: BlockAccessLists,
) -> Proved {
    checked(headers, answer, |lists, response_bytes| {
        let retreat = Box::new(Retreat::new(lists.into_iter().next()?, parent)?);
        Some(Write::Retreat { ticket: Ticket(request.0), retreat, response_bytes })
    })
}

/// Access lists that are kept until their blocks are taken, each as it came: with the hash that its block's header names. Whether such bytes are a
/// list is the block's affair, and whoever takes it finds out.
pub(crate) fn kept(headers: &[Header], answer: BlockAccessLists) -> (Verdict, Vec<Bytes>) {
    let lists = first_lists(headers, answer, |header, raw| match CheckedList::check(header, &raw) {
        Ok(_) | Err(ListFault::Malformed { .. }) => Ok(raw),
        Err(fault) => Err(fault),
    });
    let lists = match lists {
        Ok(lists) => lists,
        Err(fault) => return (Verdict::invalid(fault), Vec::new()),
    };
    let last = lists.len().checked_sub(1).and_then(|last| headers.get(last));
    let (Some(first), Some(last)) = (headers.first(), last) else { return (Verdict::unavailable(), lists) };
    let outcome = if lists.len() == headers.len() { Outcome::Complete } else { Outcome::Partial };
    let found = BlockRange { first: first.number, last: last.number };
    (Verdict { outcome, answered: Answered::Kept { found } }, lists)
}

fn checked(
    headers: &[Header],
    answer: BlockAccessLists,
    write: impl FnOnce(Vec<CheckedList>, u64) -> Option<Write>,
) -> Proved {
    let mut response_bytes = 0;
    let lists = first_lists(headers, answer, |header, raw| {
        let list = CheckedList::check(header, &raw)?;
        response_bytes += raw.len() as u64;
        Ok(list)
    });
    let lists = match lists {
        Ok(lists) => lists,
        Err(fault) => return Proved::lie(fault),
    };
    let (Some(first), Some(last)) = (lists.first(), lists.last()) else {
        return Proved::nothing(Verdict::unavailable());
    };
    let found = BlockRange { first: first.claim().number, last: last.claim().number };
    let is_all = lists.len() == headers.len();
    let Some(write) = write(lists, response_bytes) else { return Proved::nothing(Verdict::unavailable()) };
    let outcome = if is_all { Outcome::Complete } else { Outcome::Partial };
    Proved {
        verdict: Verdict { outcome, answered: Answered::Lists { found } },
        hashed: Hashed::default(),
        write: Some(write),
    }
}

/// What is made of the first lists of an answer, up to one that the peer does not have.
fn first_lists<T>(
    headers: &[Header],
    answer: BlockAccessLists,
    mut check: impl FnMut(&Header, Bytes) -> Result<T, ListFault>,
) -> Result<Vec<T>, Fault> {
    let found = answer.lists.len() as u64;
    if found > headers.len() as u64 {
        return Err(Fault::TooMany { asked: headers.len() as u64, found });
    }
    let mut lists = Vec::new();
    for (header, raw) in headers.iter().zip(answer.lists) {
        let Some(raw) = raw else { break };
        // SPEC: besu has an empty list in the place of one that is not there.
        let is_empty = raw[..] == [0xc0];
        match check(header, raw) {
            Ok(list) => lists.push(list),
            Err(ListFault::Hash { .. }) if is_empty => break,
            Err(ListFault::Hash { number, .. }) => return Err(Fault::WrongList { number }),
            // Whoever sent it did not make its hash.
            Err(ListFault::NoList { .. } | ListFault::Malformed { .. }) => break,
        }
    }
    Ok(lists)
}

pub(crate) fn content(items: &[Bytes]) -> u64 {
    items.iter().map(|item| item.len() as u64).sum()
}
