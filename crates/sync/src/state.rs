//! Accounts, storages and codes together, and the targets that they are asked of.
//!
//! The planners say what is missing of the state; which of them may start what, and when accounts make way for what they implied, is said
//! here. What it means that nobody has something, the engine.

use alloy_primitives::B256;

use crate::{
    Config, Effect, Ended, HashRange, Head, JobId, Journal, ListOutcome, ListedBlock, PendingStorage,
    RetreatOutcome, RetreatedBlock, Standing, StorageClaim, TargetId,
    accounts::Accounts,
    codes::{Codes, Flush},
    owed::Owed,
    renewals::Renewals,
    storages::Storages,
    targets::Targets,
};

/// Whether account jobs may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Accept {
    Flowing,
    Held,
}

/// The planners of the state's parts.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) accounts: Accounts,
    pub(crate) storages: Storages,
    pub(crate) codes: Codes,
    pub(crate) owed: Owed,
    pub(crate) renewals: Renewals,
    pub(crate) targets: Targets,
    accept: Accept,
}

impl State {
    pub(crate) fn new(journal: &Journal) -> Self {
        Self {
            accounts: Accounts::new(journal.accounts.clone()),
            storages: Storages::new(&journal.storages, &journal.slots_about),
            codes: Codes::new(&journal.codes),
            owed: Owed::new(&journal.storages, &journal.accounts),
            renewals: Renewals::default(),
            targets: Targets::new(journal),
            accept: Accept::Flowing,
        }
    }

    /// All rows are of this target, and no other one has any.
    pub(crate) fn are_all_of(&mut self, target: TargetId) {
        self.accounts.are_all_of(target);
        self.targets.forget_below(target);
    }

    /// Whether nothing is missing and nothing is pending. What is asked again may claim something new.
    pub(crate) fn is_in(&self) -> bool {
        let is_settled = self.storages.is_empty() && self.owed.is_empty() && self.codes.is_empty();
        self.accounts.are_in() && is_settled && self.renewals.is_empty()
    }

    /// Whether nothing is waited for that an account's row claims.
    pub(crate) fn claims_nothing(&self) -> bool {
        self.storages.is_empty() && self.codes.is_empty() && self.renewals.is_empty()
    }

    pub(crate) fn jobs(&self) -> impl Iterator<Item = JobId> + '_ {
        let claimed = self.storages.jobs().chain(self.codes.jobs());
        self.accounts.jobs().chain(self.renewals.jobs()).chain(claimed)
    }

    /// A job ended by itself: what it still owed is open again.
    pub(crate) fn ended(&mut self, job: JobId, why: Ended) -> bool {
        self.accounts.ended(job)
            || self.renewals.ended(job)
            || self.storages.ended(job)
            || self.storages.walked(job, why)
            || self.codes.ended(job)
    }

    /// Rows of `covered`, proved at `target`, are durable.
    #[cfg_attr(
        not(feature = "planted-bugs"),
        expect(unused_variables, reason = "settings say which mistake is planted")
    )]
    pub(crate) fn covered(&mut self, config: &Config, covered: HashRange, target: TargetId) {
        #[cfg(feature = "planted-bugs")]
        let target = match self.targets.asked() {
            Some(asked) if config.planted == Some(crate::Bug::OldRowsCountAsNewest) => asked.id,
            _ => target,
        };
        self.accounts.covered(covered, target);
    }

    /// Rows proved at `target` claim these.
    #[cfg_attr(
        not(feature = "planted-bugs"),
        expect(unused_variables, reason = "settings say which mistake is planted")
    )]
    pub(crate) fn claimed(
        &mut self,
        config: &Config,
        target: TargetId,
        storages: Vec<StorageClaim>,
        codes: Vec<B256>,
    ) {
        #[cfg(feature = "planted-bugs")]
        let (storages, codes) = lose(config, storages, codes);
        for claim in storages {
            self.storages.add(claim, target);
        }
        for code in codes {
            self.codes.add(code);
        }
    }

    /// Rows have changed, and claim these from now on.
    pub(crate) fn claimed_anew(&mut self, storages: &[PendingStorage], freed: &[B256], codes: &[B256]) {
        storages.iter().for_each(|pending| self.storages.reclaim(pending));
        freed.iter().for_each(|account| self.storages.taken(*account));
        codes.iter().for_each(|code| self.codes.add(*code));
    }

    /// Rows that an answer of `job` gave have taken the place of older ones.
    #[cfg_attr(
        not(feature = "planted-bugs"),
        expect(unused_variables, reason = "settings say which mistake is planted")
    )]
    pub(crate) fn renewed(
        &mut self,
        config: &Config,
        job: JobId,
        pieces: &[HashRange],
        target: TargetId,
        storages: Vec<PendingStorage>,
        codes: Vec<B256>,
    ) {
        #[cfg(feature = "planted-bugs")]
        let storages =
            if config.planted == Some(crate::Bug::RenewalForgotten) { Vec::new() } else { storages };
        self.renewals.renewed(job, pieces);
        self.accounts.renewed(pieces, target);
        self.owed.renewed(pieces);
        self.storages.renewed(pieces, storages);
        codes.into_iter().for_each(|code| self.codes.add(code));
    }

    /// An account's row took the root that its slots give, and is as new as these from now on.
    pub(crate) fn taken(&mut self, account: B256, standing: Standing) {
        self.settled(account);
        self.accounts.stands(account, standing);
    }

    /// A storage is waited for no more.
    fn settled(&mut self, account: B256) {
        if self.storages.is_pending(&account) {
            self.storages.taken(account);
        } else {
            self.owed.taken(&account);
        }
    }

    /// A block's access list was brought to rows, or was left.
    pub(crate) fn listed(&mut self, listed: &ListedBlock) {
        if listed.outcome == ListOutcome::Left {
            return;
        }
        self.moved(listed.parent, listed.block, listed.newest, &listed.older);
        listed.freed.iter().for_each(|account| self.settled(*account));
        for account in &listed.owed {
            self.storages.taken(*account);
            self.owed.owe();
        }
        for account in &listed.cut {
            self.storages.taken(*account);
            self.owed.owe_cut(*account);
        }
    }

    /// The rows of these accounts name what nobody has. Those that are older than the newest target are asked again: it may have others.
    pub(crate) fn ask_again(&mut self, accounts: &[B256]) {
        let Some(newest) = self.targets.asked().map(|asked| Standing::At(asked.id)) else { return };
        let held = self.accounts.held();
        let older = accounts.iter().copied().filter(|account| held.at(*account) != newest);
        self.renewals.want(older.collect());
    }

    /// Rows of a block that the chain has left are those of its parent, but for what it changed; or stayed as they are.
    #[cfg_attr(
        not(feature = "planted-bugs"),
        expect(unused_variables, reason = "settings say which mistake is planted")
    )]
    pub(crate) fn retreated(&mut self, config: &Config, retreated: &RetreatedBlock) {
        if retreated.outcome != RetreatOutcome::Applied {
            return;
        }
        #[cfg(feature = "planted-bugs")]
        let is_kept = config.planted == Some(crate::Bug::DoubtForgotten);
        #[cfg(not(feature = "planted-bugs"))]
        let is_kept = false;
        if !is_kept {
            self.accounts.doubt(&retreated.doubtful);
        }
        self.moved(retreated.block.hash, retreated.parent, retreated.newest, &retreated.older);
        retreated.freed.iter().for_each(|account| self.settled(*account));
        for account in &retreated.cut {
            self.storages.taken(*account);
            self.owed.owe_cut(*account);
        }
    }

    /// Rows of one block are of another one now, where targets may have become one.
    fn moved(&mut self, from: B256, to: Head, newest: Option<TargetId>, older: &[TargetId]) {
        self.targets.bring(from, to);
        if let Some(newest) = newest {
            self.accounts.rename(older, newest);
            for older in older {
                self.storages.join(*older, newest);
                self.targets.join(*older);
            }
        }
    }

    /// What was derived of a storage is out of date.
    pub(crate) fn derive_again(&mut self, account: B256) {
        if self.storages.is_pending(&account) {
            self.storages.derive_again(account);
        } else {
            self.owed.derive_again();
        }
    }

    /// Fills free slots.
    pub(crate) fn plan(&mut self, config: &Config, ids: &mut impl FnMut() -> JobId, out: &mut Vec<Effect>) {
        let Some(asked) = self.targets.asked().copied() else { return };
        self.hold_or_release(config, out);
        let nothing_more = self.accounts.are_in() || self.accept == Accept::Held;
        let flush = if nothing_more { Flush::All } else { Flush::Full };
        self.codes.plan(config, flush, ids, out);
        self.owed.plan(out);
        let wanted = self.renewals.wanted();
        let again = self.storages.unanswerable().chain(self.owed.cut().iter().copied()).chain(wanted);
        self.renewals.plan(config, again, &self.targets, ids, out);
        self.storages.plan_walks(config, &self.targets, ids, out);
        self.storages.plan(config, &self.targets, flush, ids, out);
        self.accounts.plan(config, &asked, ids, out);
    }

    /// Has accounts asked again of which nothing is known.
    pub(crate) fn plan_doubtful(
        &mut self,
        config: &Config,
        doubtful: Vec<B256>,
        ids: &mut impl FnMut() -> JobId,
        out: &mut Vec<Effect>,
    ) {
        self.renewals.plan(config, doubtful.into_iter(), &self.targets, ids, out);
    }

    fn hold_or_release(&mut self, config: &Config, out: &mut Vec<Effect>) {
        let pending = self.storages.len() + self.codes.len();
        if self.accept == Accept::Flowing && pending > config.pendings_max {
            self.accept = Accept::Held;
            out.push(Effect::HoldAccounts);
        } else if self.accept == Accept::Held && pending <= config.pendings_max / 4 * 3 {
            self.accept = Accept::Flowing;
            out.push(Effect::ReleaseAccounts);
        }
    }

    /// What is always true.
    pub(crate) fn check(&self, config: &Config) {
        self.accounts.check(config);
        self.renewals.check(config);
        self.storages.check(config);
        self.codes.check(config);
    }
}

#[cfg(feature = "planted-bugs")]
fn lose(
    config: &Config,
    mut storages: Vec<StorageClaim>,
    mut codes: Vec<B256>,
) -> (Vec<StorageClaim>, Vec<B256>) {
    match config.planted {
        Some(crate::Bug::PendingLost) => storages.retain(|claim| claim.account.0[31] % 7 != 0),
        Some(crate::Bug::CodeLost) => drop(codes.pop()),
        _ => {}
    }
    (storages, codes)
}
