//! Rows of several blocks are brought to one: by lists where there are any, else by walks down the newest trie.
//!
//! ```text
//!   all rows are here, of several blocks   those of left blocks go back: `retreat.rs`; lists of the blocks above the oldest, while they lead on
//!   then, or where none do                 what owes its root is derived, and the account trie
//!   the derived root differs               a walk; where the pivot moves meanwhile, lists are looked for once more
//! ```
//!
//! It asks for lists before anything is derived, since each of them outdates what was. Which lists and which walks come next is not said here.

use crate::{
    Effect, Event, Fatal, Head, Job, JobId, ListOutcome, ListedBlock, NoLists, Phase, Pin, Report, Standing,
    TargetId,
    healing::Cure,
    machine::{Engine, next_job},
};

impl Engine {
    /// The block that the oldest rows are of, if that can be said.
    pub(crate) fn oldest_rows(&self) -> Option<Head> {
        match self.state.accounts.held().oldest() {
            Standing::At(target) => self.state.targets.place(target),
            Standing::Mixed | Standing::Missing => None,
        }
    }

    /// Whether rows are of older blocks than the pivot, and lists may bring them on.
    pub(crate) fn wants_lists(&self) -> bool {
        let is_open = match self.phase {
            Phase::Download | Phase::CatchUp => true,
            // Between two walks, of which the second would go down another target's trie.
            Phase::Heal => self.healing.is_due(),
            _ => false,
        } && !self.catch_up.is_closed();
        let pivot = self.pin.filter(|_| is_open && self.state.accounts.are_in());
        pivot.is_some_and(|pin| self.oldest_rows().is_none_or(|oldest| oldest.hash != pin.target.hash))
    }

    /// Blocks whose lists are still to be brought to the oldest rows.
    pub(crate) fn lists_missing(&self) -> u64 {
        let pivot = self.pin.filter(|_| self.phase == Phase::CatchUp && self.wants_lists());
        let Some(pivot) = pivot.map(|pin| pin.target.number) else { return 0 };
        let above = self.oldest_rows().map_or(0, |oldest| pivot.saturating_sub(oldest.number));
        // Those of blocks that the chain has left are wanted as well.
        above.max(1) + self.catch_up.left.len() as u64
    }

    /// Asks for the next lists, once all rows are here; and before the first of them, whether there are any.
    pub(crate) fn plan_lists(&mut self) {
        let is_due = matches!(self.phase, Phase::CatchUp | Phase::Heal) || self.state.is_in();
        let pin = self.pin.filter(|_| is_due && self.wants_lists() && self.is_pivot_found());
        let Some(pin) = pin else { return };
        let pivot = pin.target.number;
        let Some(doubtful) = self.state.accounts.doubtful() else { return self.close_lists(NoLists::Mixed) };
        if !self.plan_retreat() {
            return;
        }
        if !doubtful.is_empty() {
            return self.plan_doubtful(&pin, doubtful);
        }
        let Some(oldest) = self.oldest_rows() else { return self.close_lists(NoLists::Mixed) };
        if oldest.number >= pivot {
            return self.close_lists(NoLists::OtherBranch { number: pivot });
        }
        let number = oldest.number + 1;
        if self.catch_up.seek(number) {
            self.effects.push_back(Effect::FindList { number });
        }
        if self.catch_up.is_open() {
            self.catch_up_now();
        }
        let started = &mut self.jobs_started;
        let job = self.catch_up.start(&self.config, (oldest.number, pivot), &mut || next_job(started));
        let start = job.map(|(id, blocks)| Effect::Start { id, job: Job::Lists { blocks } });
        self.effects.extend(start);
    }

    /// Accounts of which nothing is known are asked again, one by one, before lists come: those go to rows whose block is known.
    fn plan_doubtful(&mut self, pin: &Pin, doubtful: Vec<alloy_primitives::B256>) {
        self.catch_up_now();
        // Rows of a target come after its record.
        if self.state.targets.asked().is_some_and(|asked| asked.id == pin.id) {
            let (mut out, started) = (Vec::new(), &mut self.jobs_started);
            self.state.plan_doubtful(&self.config, doubtful, &mut || next_job(started), &mut out);
            self.effects.extend(out);
        }
    }

    /// Somebody looked at the header of a block.
    pub(crate) fn on_list_found(&mut self, event: &Event) {
        let Event::ListFound { number, parent, has_list } = *event else { return };
        if !self.catch_up.found(number) {
            return;
        }
        if !has_list {
            return self.close_lists(NoLists::Older { number });
        }
        // Other rows may be the oldest by now, or the same may be of another block: then the writer tells.
        if self.oldest_rows().is_some_and(|oldest| oldest.number + 1 == number && oldest.hash != parent) {
            self.close_lists(NoLists::OtherBranch { number });
        }
    }

    /// Lists were brought to rows.
    pub(crate) fn on_lists(&mut self, job: JobId, blocks: &[ListedBlock]) {
        for listed in blocks {
            let oldest = self.oldest_rows();
            self.state.listed(listed);
            let number = listed.block.number;
            // What others have applied before is left as well.
            let above = oldest.filter(|oldest| oldest.number < number && self.catch_up.is_open());
            let Some(oldest) = above.filter(|_| listed.outcome == ListOutcome::Left) else { continue };
            if self.catch_up.doubts(oldest.hash) {
                let job = self.catch_up.reopen();
                self.stop(job);
            } else {
                self.close_lists(NoLists::OtherBranch { number });
            }
        }
        if let Some(oldest) = self.oldest_rows() {
            self.catch_up.brought(oldest.number);
        }
        if let Some(last) = blocks.last() {
            self.catch_up.came(job, last.block.number);
        }
    }

    /// Nobody has the lists from this block on.
    pub(crate) fn nobody_has_lists(&mut self, number: u64) {
        if self.may_follow() {
            // Blocks may have been taken without meanwhile: the next are asked for, or the same of whoever is here by now.
            let job = self.above.nobody_has(number);
            self.stop(job);
        } else if self.catch_up.is_leaving() {
            self.stay(NoLists::Left { number });
        } else if self.catch_up.is_open() {
            self.close_lists(NoLists::Nobody { number });
        }
    }

    fn close_lists(&mut self, why: NoLists) {
        let job = self.catch_up.close();
        self.stop(job);
        self.tell(Report::NoLists(why));
    }

    /// The rows do not give the target's root. Those of several blocks need not; then they are healed.
    pub(crate) fn on_difference(&mut self, pin: &Pin, derived: alloy_primitives::B256) {
        // Lists and walks change rows that no range of the pivot proved; they begin once there is a second one.
        let is_first = pin.id == TargetId::default().next();
        let is_proved = is_first && self.state.accounts.held().oldest() == Standing::At(pin.id);
        match self.healing.differs(pin.id, is_proved) {
            Cure::Walk => self.enter(Phase::Heal),
            Cure::Damaged => self.halt(Fatal::RootMismatch { expected: pin.target.root, derived }),
            Cure::Hopeless => {
                let oldest = self.state.accounts.held().oldest();
                self.halt(Fatal::Unreconciled { oldest, target: pin.id });
            }
        }
    }

    /// Starts a walk down the account trie, if one is due.
    pub(crate) fn plan_healing(&mut self) {
        let asked = self.state.targets.asked().map(|asked| asked.id);
        // Rows of a target come after its record.
        let Some(pin) = self.pin.filter(|pin| self.phase == Phase::Heal && asked == Some(pin.id)) else {
            return;
        };
        // Lists are cheaper, if there are any.
        if self.wants_lists() {
            return;
        }
        let started = &mut self.jobs_started;
        if let Some(id) = self.healing.start(pin.id, &mut || next_job(started)) {
            let job = Job::HealAccounts { target: pin.id, root: pin.target.root };
            self.effects.push_back(Effect::Start { id, job });
        }
    }
}
