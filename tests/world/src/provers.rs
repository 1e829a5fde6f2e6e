//! The provers: workers of each kind with an inbox before them, as a product's driver has them.
//!
//! A worker has one task at a time, and keeps it until its rows have found room before the writer. Who works on what next follows
//! from the order in which answers came; what a task is worth was ruled before. No clock in here.

use std::collections::{BTreeMap, VecDeque};

use snapsync_peers::Noun;
use snapsync_stream::{Judgement, What};

use crate::{disk::Write, ruling::Ruling};

/// Workers of a kind, which share an inbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Crew {
    Accounts,
    Storages,
    Codes,
    Headers,
    Blocks,
    Nodes,
    Lists,
    /// Derives tries; the planner keeps what finds no room there.
    Rebuild,
}

impl Crew {
    const ALL: [Self; 8] = [
        Self::Accounts,
        Self::Storages,
        Self::Codes,
        Self::Headers,
        Self::Blocks,
        Self::Nodes,
        Self::Lists,
        Self::Rebuild,
    ];

    /// Who proves an answer of a kind.
    pub(crate) fn of(what: &What) -> Self {
        match what.noun() {
            _ if matches!(what, What::Repair { .. }) => Self::Nodes,
            Noun::Accounts => Self::Accounts,
            Noun::Storages => Self::Storages,
            Noun::Codes => Self::Codes,
            Noun::Headers => Self::Headers,
            Noun::Bodies | Noun::Receipts => Self::Blocks,
            Noun::Lists => Self::Lists,
            Noun::Nodes => Self::Nodes,
        }
    }
}

/// Something to be done by a worker.
#[derive(Debug)]
pub(crate) enum Task {
    /// Prove an answer of so many bytes.
    Prove { judgement: Box<Judgement>, ruling: Box<Ruling>, bytes: u64 },
    /// Derive a trie.
    Derive(Box<Write>),
}

/// Answers that wait for the workers of one kind: the driver's inboxes are as long, and its planner never waits for room there.
const INBOX: usize = 512;

#[derive(Debug, Default)]
struct Staff {
    free: usize,
    inbox: VecDeque<Task>,
}

/// All workers.
#[derive(Debug)]
pub(crate) struct Provers(BTreeMap<Crew, Staff>);

impl Provers {
    /// So many for accounts, as many for storages, one of each other kind.
    pub(crate) fn new(provers: usize) -> Self {
        let free = |crew| if matches!(crew, Crew::Accounts | Crew::Storages) { provers } else { 1 };
        Self(Crew::ALL.map(|crew| (crew, Staff { free: free(crew), inbox: VecDeque::new() })).into())
    }

    /// Gives a task to a crew; the task that a free worker of it begins now.
    pub(crate) fn give(&mut self, crew: Crew, task: Task) -> Result<Option<Task>, String> {
        let staff = self.0.entry(crew).or_default();
        staff.inbox.push_back(task);
        if crew != Crew::Rebuild && staff.inbox.len() > INBOX + staff.free {
            return Err(format!(
                "{} answers wait for {crew:?}, there is room for {INBOX}",
                staff.inbox.len()
            ));
        }
        Ok(staff.begin())
    }

    /// A worker is done; the task that it begins next.
    pub(crate) fn done(&mut self, crew: Crew) -> Option<Task> {
        let staff = self.0.entry(crew).or_default();
        staff.free += 1;
        staff.begin()
    }
}

impl Staff {
    fn begin(&mut self) -> Option<Task> {
        let task = if self.free > 0 { self.inbox.pop_front() } else { None };
        self.free -= usize::from(task.is_some());
        task
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_worker_s_tasks_wait_in_their_order() {
        let mut provers = Provers::new(1);
        let derive = || Task::Derive(Box::new(Write::Rebuild));
        assert!(provers.give(Crew::Accounts, derive()).is_ok_and(|task| task.is_some()));
        assert!(provers.give(Crew::Codes, derive()).is_ok_and(|task| task.is_some()), "another crew is free");
        for _ in 0..INBOX {
            assert!(provers.give(Crew::Accounts, derive()).is_ok_and(|task| task.is_none()));
        }
        assert!(provers.give(Crew::Accounts, derive()).is_err(), "the planner would wait");
        assert!(provers.done(Crew::Accounts).is_some());
    }
}
