//! Counts over stories: how often each kind of the zoo was asked, and how often each fault was raised.
//!
//! A zero means that the seeds no longer show what they claim to show. The counts judge nothing else.

use std::collections::BTreeMap;

use snapsync_sync::NoLists;

use crate::zoo::Kind;

const OLDER: &str = "blocks older than access lists";
const OTHER_BRANCH: &str = "rows of another branch than access lists";
const LEFT: &str = "access lists of left blocks that nobody has";
const UNHELD: &str = "left blocks of which no header is held";
const NOBODY: &str = "access lists that nobody has";

/// Why lists go no further. That rows are of no known block no writer says yet, so no story may meet it.
fn name_of(why: NoLists) -> &'static str {
    match why {
        NoLists::Older { .. } => OLDER,
        NoLists::OtherBranch { .. } => OTHER_BRANCH,
        NoLists::Nobody { .. } => NOBODY,
        NoLists::Left { .. } => LEFT,
        NoLists::Unheld { .. } => UNHELD,
        NoLists::Crowded { .. } => "a left block that changed too many accounts",
        NoLists::Claims => "claims that were open still",
        NoLists::Mixed => "rows of no known block",
    }
}

/// Counts of one story or of many.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tallies {
    /// Questions by kind of peer.
    pub asked: BTreeMap<Kind, u64>,
    /// Faults by name.
    pub faults: BTreeMap<&'static str, u64>,
    /// Bytes of answers that were judged.
    pub judged_bytes: u64,
    /// Of these, bytes of answers that did not prove.
    pub wasted_bytes: u64,
    /// Connections that the machine ended, by kind of peer.
    pub hung_up: BTreeMap<Kind, u64>,
    /// Steps of the worlds.
    pub steps: u64,
    /// Rows held in the end.
    pub rows: u64,
    /// Crashes.
    pub crashes: u64,
    /// Times that the machine slept.
    pub sleeps: u64,
    /// Derivations of the account trie that took longer than a second.
    pub slow_derivations: u64,
    /// Branches that were left in a phase that a story names.
    pub branches_left: u64,
    /// Moves of the pivot that the machine followed.
    pub moves: u64,
    /// Accounts that were asked again, since nobody could answer their claims.
    pub renewals: u64,
    /// Stretches of several targets that were on the disk in the end of a state that moved.
    pub stretches: u64,
    /// Storages of which a part was held when the pivot moved to a block where they are others.
    pub parts_outdated: u64,
    /// Answers of nodes by which accounts were healed.
    pub healed_accounts: u64,
    /// The same of storages.
    pub healed_storages: u64,
    /// Ranges that were compared with ours, for want of nodes.
    pub repairs: u64,
    /// Access lists that were brought to rows.
    pub lists: u64,
    /// Blocks that the chain had left and that were taken off rows.
    pub retreats: u64,
    /// Times that a walk gave way to lists again.
    pub healings_left: u64,
    /// Storages that owed their root to one.
    pub owed: u64,
    /// Of these, those of which slots were missing: none, as long as lists wait until all rows are here.
    pub owed_cut: u64,
    /// Times that lists went no further, by why.
    pub no_lists: BTreeMap<&'static str, u64>,
    /// Blocks beside the chain that went, since what is final lay above them.
    pub forks_pruned: u64,
    /// Parts of blocks that were taken.
    pub parts: u64,
    /// Blocks that came in parts and were whole in the end.
    pub parts_joined: u64,
    /// Answers and tries that found all workers of their kind busy.
    pub answers_waited: u64,
    /// Times that a worker found its writer's inbox full, and waited.
    pub provers_waited: u64,
    /// Ranges of accounts that became durable although a newer target was asked by then.
    pub late_ranges: u64,
}

impl Tallies {
    /// Counts a question.
    pub fn ask(&mut self, kind: Kind) {
        *self.asked.entry(kind).or_default() += 1;
    }

    /// Counts a fault.
    pub fn fault(&mut self, name: &'static str) {
        *self.faults.entry(name).or_default() += 1;
    }

    /// Counts that lists go no further.
    pub fn no_lists(&mut self, why: NoLists) {
        *self.no_lists.entry(name_of(why)).or_default() += 1;
    }

    /// Adds another's counts.
    pub fn add(&mut self, other: &Self) {
        for (kind, count) in &other.asked {
            *self.asked.entry(*kind).or_default() += count;
        }
        for (name, count) in &other.faults {
            *self.faults.entry(name).or_default() += count;
        }
        for (kind, count) in &other.hung_up {
            *self.hung_up.entry(*kind).or_default() += count;
        }
        self.judged_bytes += other.judged_bytes;
        self.wasted_bytes += other.wasted_bytes;
        self.steps += other.steps;
        self.rows += other.rows;
        self.crashes += other.crashes;
        self.sleeps += other.sleeps;
        self.slow_derivations += other.slow_derivations;
        self.branches_left += other.branches_left;
        self.moves += other.moves;
        self.renewals += other.renewals;
        self.stretches += other.stretches;
        self.parts_outdated += other.parts_outdated;
        self.healed_accounts += other.healed_accounts;
        self.healed_storages += other.healed_storages;
        self.repairs += other.repairs;
        self.lists += other.lists;
        self.retreats += other.retreats;
        self.healings_left += other.healings_left;
        self.owed += other.owed;
        self.owed_cut += other.owed_cut;
        for (why, count) in &other.no_lists {
            *self.no_lists.entry(why).or_default() += count;
        }
        self.forks_pruned += other.forks_pruned;
        self.parts += other.parts;
        self.parts_joined += other.parts_joined;
        self.answers_waited += other.answers_waited;
        self.provers_waited += other.provers_waited;
        self.late_ranges += other.late_ranges;
    }

    /// Kinds that nobody asked, faults that nobody raised, and queues in which nobody waited.
    #[must_use]
    pub fn zeros(&self) -> Vec<&'static str> {
        let kinds = Kind::ALL.iter().filter(|kind| !self.asked.contains_key(kind)).map(|kind| kind.name());
        let faults = snapsync_peers::Fault::kinds().filter(|name| !self.faults.contains_key(name));
        let counts = [
            ("a busy prover", self.answers_waited),
            ("a full writer", self.provers_waited),
            ("a block in parts", self.parts_joined),
            ("a crash", self.crashes),
            ("a sleep", self.sleeps),
            ("a slow derivation", self.slow_derivations),
            ("a renewal", self.renewals),
            ("a storage that changed while half of it was here", self.parts_outdated),
            ("an account that was healed", self.healed_accounts),
            ("a storage that was healed", self.healed_storages),
            ("a range that was compared", self.repairs),
            ("an access list", self.lists),
            ("a left block that was taken off", self.retreats),
            ("a storage that owes its root", self.owed),
            ("a block beside the chain that went", self.forks_pruned),
        ];
        let reasons = [OLDER, OTHER_BRANCH, NOBODY, LEFT, UNHELD].into_iter();
        let reasons = reasons.filter(|why| !self.no_lists.contains_key(why));
        let never = counts.into_iter().filter(|(_, count)| *count == 0).map(|(name, _)| name);
        kinds.chain(faults).chain(reasons).chain(never).collect()
    }
}
