//! What follows from a pivot that moves, step by step: it is due, it is sought, it is another, it is on record.
//!
//! When one is due is said in `pivot.rs`. Once its state was verified, blocks bring it on, and it moves only where they cannot. It fetches nothing.

use crate::{
    BlockRange, Effect, Job, Phase, Pin, ReceiptsFrom, Report, Target, TargetId,
    machine::{Engine, next_job},
    pivot::{NextPivot, Pivot},
};

impl Engine {
    /// The pivot that is due, if one is. It stands still from the last derivation until its root was compared.
    pub(crate) fn next_pivot(&self) -> Option<NextPivot> {
        let is_left_behind = self.is_left_behind();
        let is_open = matches!(self.phase, Phase::Download | Phase::CatchUp | Phase::Heal) || is_left_behind;
        let (pivot, head) = (self.pin.filter(|_| is_open)?.target, self.chain.heads.top()?);
        let age_max = if is_left_behind { 0 } else { self.config.pivot_age_max };
        self.pivot.next(age_max, self.race.distance(&self.config), pivot, head)
    }

    /// Whether blocks may bring the state on: it was verified, and somebody takes them.
    pub fn may_follow(&self) -> bool {
        self.config.follow_blocks_max.is_some() && self.rebuilt.is_some()
    }

    /// Whether the state was verified and no block leads from it to the head, or too many.
    fn is_left_behind(&self) -> bool {
        let (Some(most), Some(pin), Some(head)) =
            (self.config.follow_blocks_max, self.pin, self.chain.heads.top())
        else {
            return false;
        };
        let is_far = head.number > pin.target.number.saturating_add(most);
        self.may_follow() && (is_far || self.pivot.is_stranded)
    }

    /// The state is of this block now. Nothing is to be recorded: what writes the block does that.
    pub(crate) fn on_followed(&mut self, target: Target, receipts: ReceiptsFrom) {
        if !self.may_follow() {
            return;
        }
        let number = target.number;
        let Some(pin) = &mut self.pin else { return };
        // More than one, where several blocks were taken together.
        let taken = BlockRange { first: pin.target.number.saturating_add(1), last: number };
        match receipts {
            ReceiptsFrom::Execution => self.chain.receipts.are_coming(number),
            ReceiptsFrom::Peers if number > pin.target.number => self.chain.receipts.come_no_more(taken),
            // What was made of a block that is taken back is another block's.
            ReceiptsFrom::Peers => {
                self.chain
                    .receipts
                    .come_no_more(BlockRange { first: number.saturating_add(1), last: u64::MAX });
            }
        }
        // A block is taken above a canonical one only, and taken back until there is one.
        let is_back = target.number > pin.target.number;
        self.left_above = self.left_above.filter(|fork| !is_back && target.number > *fork);
        pin.target = target;
        let pin = *pin;
        self.named = Some(target.hash);
        self.rebuilt = Some(target.root);
        self.pivot = Pivot::default();
        self.state.targets.replace(pin);
        let unused = self.above.followed(target.number);
        self.stop(unused);
        self.effects.push_back(Effect::Follow { target });
        self.recorded = Some(self.progress());
    }

    /// The block above which access lists are kept until their blocks are taken by them, if they are.
    pub fn lists_are_above(&self) -> Option<u64> {
        let is_taken_by_lists = self.may_follow() && self.above.is_wanted();
        self.pin.filter(|_| is_taken_by_lists).map(|pin| pin.target.number)
    }

    /// Asks for the access lists of the next blocks, where these are taken by them.
    pub(crate) fn plan_lists_above(&mut self) {
        // The blocks above one that the chain has left are none that come next.
        let state = self.lists_are_above().filter(|_| !self.is_left_behind() && self.left_above.is_none());
        let (Some(state), Some(top)) = (state, self.chain.heads.top()) else { return };
        let started = &mut self.jobs_started;
        let job = self.above.start(&self.config, (state, top.number), &mut || next_job(started));
        self.effects.extend(job.map(|(id, blocks)| Effect::Start { id, job: Job::ListsAbove { blocks } }));
    }

    /// Asks for another pivot, if one is due.
    pub(crate) fn seek_pivot(&mut self) {
        if self.next_pivot().is_none() {
            return;
        }
        // How a walk fared that is cut off has its say in where the next one leads.
        if let Some(pin) = self.pin.filter(|_| self.healing.job().is_some()) {
            self.race.cut(pin.id);
        }
        let next = self.next_pivot();
        self.effects
            .extend(next.and_then(|next| self.pivot.seek(next)).map(|number| Effect::FindPivot { number }));
    }

    /// Only what is being downloaded, caught up or healed has a use for another root. Before that, none is authenticated that it could take the place
    /// of; once the derived root was compared, blocks bring the state on.
    pub(crate) fn on_moved(&mut self, target: Target) {
        let is_open = matches!(self.phase, Phase::Download | Phase::CatchUp | Phase::Heal)
            || self.phase == Phase::Rebuild && self.rebuilt.is_none()
            || self.is_left_behind();
        if self.pin.is_some_and(|pin| pin.target == target) {
            // The canonical chain has come back to it.
            self.pivot.is_orphaned = false;
            self.pivot.is_stranded = false;
        }
        let Some(before) = self.pin.filter(|pin| is_open && pin.target != target) else { return };
        // The first name is for what was fetched without a move; a chain that began at block 0 has never had it.
        let id = before.id.next().max(TargetId::default().next().next());
        let pin = Pin { id, target };
        self.pin = Some(pin);
        self.chain.receipts.come_no_more(BlockRange { first: 0, last: u64::MAX });
        if self.rebuilt.take().is_some() {
            // The root was derived from all rows, whatever was known of each before.
            self.state.are_all_of(before.id);
        }
        self.left_above = None;
        let why = std::mem::take(&mut self.pivot).why();
        // As after a restart, which knows only what was recorded.
        self.named = Some(target.hash);
        self.state.targets.know(&pin);
        let (walk, lists) = (self.healing.moved(), self.catch_up.moved(target.number));
        let above = self.above.forget_above(0);
        self.stop(walk.into_iter().chain(lists).chain(above));
        self.tell(Report::Moved { from: before, to: pin, why });
        match self.phase {
            // The rows stay, and so does what is derived from them: whatever root comes of it is compared with the newest target's.
            Phase::Rebuild | Phase::Complete | Phase::Follow => self.enter(Phase::Download),
            _ => self.record(),
        }
    }

    /// A writer knows a target now. Of several moves the last one counts: what was meant to be asked before it, is not any more.
    pub(crate) fn on_recorded(&mut self, recorded: Option<TargetId>) {
        let is_news = |pin: &Pin| {
            recorded == Some(pin.id) && self.state.targets.asked().is_none_or(|asked| asked.id < pin.id)
        };
        let Some(pin) = self.pin.filter(is_news) else { return };
        self.state.targets.ask(pin);
        self.effects.push_back(Effect::Retarget { target: pin.id, root: pin.target.root });
    }

    /// Whether the pivot is one that may stay until its root was compared.
    pub(crate) fn is_pivot_found(&self) -> bool {
        !self.pivot.is_orphaned || self.next_pivot().is_none()
    }
}
