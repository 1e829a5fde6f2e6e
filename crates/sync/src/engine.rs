//! The engine: one event in, effects out.
//!
//! `handle` takes the event to the planner that it concerns; `advance` then moves the phase, lets each planner fill its free
//! slots, and checks what must always be true. Nothing is planned anywhere else.

use std::{collections::VecDeque, time::Duration};

use alloy_primitives::B256;
use snapsync_trie::EMPTY_ROOT;

use crate::{
    Config, Effect, Ended, Event, Fatal, Head, HeaderReach, HeaderSegment, JobId, Join, Journal, Missing,
    Phase, Pin, Report, Target, TargetId,
    above::Above,
    catch_up::CatchUp,
    chain::Chain,
    gain::Race,
    headers::Expected,
    healing::Healing,
    machine::{Aim, Course, Engine, next_job},
    pivot::Pivot,
    pruning::Pruning,
    state::State,
};

impl Engine {
    /// An engine over an empty disk.
    pub fn new(config: Config) -> Self {
        Self::resume(config, Journal::fresh())
    }

    /// An engine that goes on where the disk stands; with a recorded target it starts at once.
    pub fn resume(config: Config, journal: Journal) -> Self {
        let state_is_in =
            journal.accounts.is_whole() && journal.storages.is_empty() && journal.codes.is_empty();
        let rebuilt = journal
            .rebuilt
            .filter(|root| state_is_in && journal.pin.is_some_and(|pin| pin.target.root == *root));
        let mut engine = Self {
            phase: Phase::Idle,
            course: Course::Running,
            aim: Aim::Standing,
            named: journal.pin.map(|pin| pin.target.hash),
            pin: journal.pin,
            pivot: Pivot::resumed(journal.is_orphaned),
            left_above: None,
            rebuilt,
            state: State::new(&journal),
            catch_up: CatchUp::default(),
            above: Above::default(),
            healing: Healing::default(),
            race: Race::default(),
            chain: Chain::new(&config, &journal),
            pruning: Pruning::default(),
            jobs_started: 0,
            recorded: None,
            effects: VecDeque::new(),
            config,
        };
        if engine.pin.is_some() {
            engine.chain.receipts.are_made_above(engine.receipts_made_above());
            engine.phase = engine.phase_to_resume(journal.phase);
            engine.recorded = Some(engine.progress());
            engine.tell(Report::Phase(engine.phase));
            if let Some(pin) = engine.pin.filter(|_| engine.phase == Phase::Complete) {
                engine.tell(Report::Complete(pin));
            }
            engine.advance();
        }
        engine
    }

    /// A rebuild that was cut off starts anew from Download, whose work is done; the rest goes on where it stood.
    fn phase_to_resume(&self, recorded: Phase) -> Phase {
        match recorded {
            Phase::Idle | Phase::Headers => Phase::Headers,
            Phase::Complete | Phase::Follow if self.rebuilt.is_some() && self.is_all_in() => Phase::Complete,
            _ if self.rebuilt.is_some() => Phase::Rebuild,
            _ => Phase::Download,
        }
    }

    /// Takes one event. Drain [`Engine::poll`] before the next one.
    pub fn handle(&mut self, now: Duration, event: Event) {
        if self.course == Course::Halted {
            return;
        }
        match event {
            Event::TargetNamed { hash } => {
                self.aim = Aim::Standing;
                self.on_named(hash);
            }
            Event::PivotMoved { target } => self.on_moved(target),
            Event::Followed { target, receipts } => self.on_followed(target, receipts),
            Event::Stranded => self.pivot.is_stranded |= self.may_follow(),
            Event::ListsWanted => self.above.want(),
            Event::ListsUnwanted => {
                let job = self.above.unwant();
                self.stop(job);
            }
            Event::Recorded { pin } => self.on_recorded(pin),
            Event::HeadNamed { hash } => self.on_head(hash),
            Event::FinalNamed { hash } => self.pruning.name(hash),
            Event::Pruned { hash, finality } => self.on_pruned(hash, finality),
            Event::HeadersDurable { job, segment, reach, .. } => self.on_headers(job, &segment, &reach),
            Event::AccountsDurable { covered, target, storages, codes, .. } => {
                self.state.covered(&self.config, covered, target);
                self.state.claimed(&self.config, target, storages, codes);
            }
            Event::AccountsHealed { storages, freed, codes, .. } => {
                self.healing.healed();
                self.race.differed();
                self.state.claimed_anew(&storages, &freed, &codes);
            }
            // Its walk goes on, and tells when it is done.
            Event::SlotsHealed { .. } => self.race.differed(),
            // Once the derived root was compared, rows are the target's: what comes late changes none of them.
            Event::AccountsRenewed { .. } | Event::Retreated { .. } | Event::ListsApplied { .. }
                if self.rebuilt.is_some() => {}
            Event::AccountsRenewed { job, pieces, target, storages, codes, .. } => {
                self.healing.healed();
                self.state.renewed(&self.config, job, &pieces, target, storages, codes);
            }
            Event::ListFound { .. } => self.on_list_found(&event),
            Event::LeftFound { left, unheld } => self.on_left_found(left, unheld),
            Event::Retreated { job, retreated, .. } => self.on_retreated(job, &retreated),
            Event::ListsApplied { job, blocks, codes, .. } => {
                codes.iter().for_each(|hash| self.state.codes.found(hash));
                self.on_lists(job, &blocks);
            }
            Event::StoragesDurable { settled, partial, .. } => {
                self.state.storages.durable(&self.config, &settled, partial);
            }
            Event::CodesDurable { found, .. } => found.iter().for_each(|hash| self.state.codes.found(hash)),
            Event::CodesNamed { accounts } => self.state.ask_again(&accounts),
            Event::CodesUnnamed { hashes } => {
                let idle = self.state.codes.unnamed(&hashes);
                self.stop(idle);
            }
            Event::BodiesDurable { job, blocks, .. } => {
                let idle = self.chain.bodies.durable(Some(job), &blocks);
                self.stop(idle);
            }
            Event::ReceiptsDurable { job, blocks, .. } => {
                let idle = self.chain.receipts.durable(Some(job), &blocks);
                self.stop(idle);
            }
            Event::ReceiptsMade { blocks } => {
                let idle = self.chain.receipts.durable(None, &blocks);
                self.stop(idle);
            }
            // Nothing became held, so nothing is given back: its job owes what it owed, until it ends or all of it is durable.
            Event::Outdated { .. } => {}
            Event::Fetched { job, next } => self.state.accounts.fetched(job, next),
            Event::JobEnded { job, why } => self.on_ended(job, why),
            Event::StoragesCopied { settled, refused } => self.state.storages.copied(&settled, &refused),
            Event::StorageRebuilt { account, root } => self.on_storage_rebuilt(account, root),
            Event::StorageTaken { account, standing } => self.state.taken(account, standing),
            Event::Rederive { account: Some(account) } => self.state.derive_again(account),
            Event::Rederive { account: None } => self.rebuild(),
            Event::Rebuilt { root } => self.on_rebuilt(root),
            Event::NoPeerHas { missing } => self.on_missing(missing),
            Event::PeerHas { blocks } => {
                // Blocks are waited for where they bring the state on, however often nobody had some.
                let is_idle = self.rebuilt.is_some() && !self.may_follow();
                self.chain.reopen(blocks, is_idle);
            }
        }
        self.measure(now);
        self.advance();
    }

    fn on_storage_rebuilt(&mut self, account: B256, root: B256) {
        if let Err(expected) = self.state.storages.derived(&self.config, account, root) {
            self.halt(Fatal::StorageRootMismatch { account, expected, derived: root });
        }
    }

    /// Time has come that [`Engine::next_timeout`] named.
    pub fn handle_timeout(&mut self, _now: Duration) {
        self.advance();
    }

    fn on_named(&mut self, hash: B256) {
        match self.named {
            Some(have) if have != hash => self.halt(Fatal::OtherTarget { have, asked: hash }),
            Some(_) => {}
            None => {
                self.named = Some(hash);
                self.enter(Phase::Headers);
            }
        }
    }

    /// The first head is the target. Headers, bodies and receipts follow later ones, and the state when its pivot is due to move.
    fn on_head(&mut self, hash: B256) {
        self.aim = Aim::Following;
        if self.named.is_none() {
            return self.on_named(hash);
        }
        let stale = self.chain.heads.name(hash);
        self.stop(stale);
    }

    fn on_headers(&mut self, job: JobId, segment: &HeaderSegment, reach: &HeaderReach) {
        let stale = self.chain.heads.durable(job, segment, reach);
        self.stop(stale);
        if let HeaderReach::Joined(join) = reach {
            self.on_joined(join);
        }
        if self.chain.headers.durable(job, segment) != Expected::Target || self.pin.is_some() {
            return;
        }
        let target = Target { number: segment.top, hash: segment.hash, root: segment.root };
        // The first one: a directory that has another is refused before it comes to this.
        let pin = Pin { id: TargetId::default().next(), target };
        self.pin = Some(pin);
        // Its record goes out before its first request does.
        self.state.targets.ask(pin);
        self.chain.want(&self.config, Head { number: target.number, hash: target.hash });
        self.record();
        self.tell(Report::Pinned(pin));
    }

    /// Another chain is canonical, or a longer one.
    fn on_joined(&mut self, join: &Join) {
        let before = self.chain.heads.top();
        // A branch that leaves the chain below the checkpoint by a header alone is canonical by the time that it is known.
        let is_met = self.chain.headers.is_authenticated(&self.config);
        let left = self.config.checkpoint.filter(|checkpoint| {
            is_met
                && join.fork < checkpoint.number
                && join.fork < join.top.number
                && before.is_some_and(|before| before.number >= checkpoint.number)
        });
        if let Some(wanted) = left {
            return self.halt(Fatal::CheckpointMismatch { wanted, found: join.top.hash });
        }
        let stale = self.chain.join(&self.config, join);
        let lists = self.above.forget_above(join.fork);
        self.stop(stale.into_iter().chain(lists));
        self.leave_above(join.fork);
        self.pivot.is_orphaned |= self.pin.is_some_and(|pin| join.fork < pin.target.number);
        if before.is_some_and(|before| join.fork < before.number) {
            let left = self.catch_up.look_again();
            self.stop(left);
        } else {
            self.catch_up.grown();
        }
        if self.pin.is_some() && before != self.chain.heads.top() {
            self.record();
            self.tell(Report::Head(join.top));
        }
    }

    fn on_ended(&mut self, job: JobId, why: Ended) {
        if self.healing.ended(job, why) {
            let healed = self.pin.filter(|_| self.healing.is_done());
            if healed.is_some() {
                self.race.walked();
            }
            return healed.into_iter().for_each(|pin| self.state.storages.confirm(pin.id));
        }
        let _known = self.catch_up.ended(job)
            || self.above.ended(job, why)
            || self.state.ended(job, why)
            || self.chain.ended(job);
    }

    /// What nobody has of the pivot's state moves it. Where there is nowhere to move it to, a sync whose heads are named waits for the next one, or
    /// for somebody who has it; one to a standing target ends. What nobody has of an older one ends nothing: what that claimed waits. History that
    /// nobody has ends nothing while there is something else to do.
    fn on_missing(&mut self, missing: Missing) {
        let idle = match &missing {
            Missing::Lists { blocks } => return self.nobody_has_lists(blocks.first),
            Missing::State { .. } if !self.asks_for_state() => return,
            Missing::State { target } if self.pin.is_none_or(|pin| pin.id != *target) => {
                self.state.targets.lose(*target);
                Some(self.state.storages.set_aside(*target))
            }
            Missing::State { .. } => {
                self.pivot.is_lost = true;
                let may_move = self.next_pivot().is_some() || self.aim == Aim::Following;
                may_move.then(Vec::new)
            }
            // A block that was left may have been the only one with it. Rows of the first target are asked for once, and name what it has.
            Missing::Code { .. } if self.may_have_lost_codes() => {
                let sought = self.state.codes.nobody_has();
                self.effects.extend(sought.map(|hashes| Effect::FindCodes { hashes }));
                Some(Vec::new())
            }
            Missing::Code { .. } if self.aim == Aim::Following => Some(Vec::new()),
            _ => self.chain.nobody_has(&self.config, &missing),
        };
        let Some(idle) = idle else { return self.halt(Fatal::TargetUnavailable { missing }) };
        self.stop(idle);
        let news = self.chain.news().map(Report::Lacking).map(Effect::Report);
        self.effects.extend(news);
    }

    /// Whether a code that nobody has may be one that no row names by now. A sync to a standing target looks some times, and ends.
    fn may_have_lost_codes(&self) -> bool {
        let is_later = self.pin.is_some_and(|pin| pin.id > TargetId::default().next());
        is_later && (self.aim == Aim::Following || !self.state.codes.is_settled())
    }

    /// The target whose root is to be derived and compared.
    fn to_rebuild(&self) -> Option<Pin> {
        self.pin.filter(|_| self.phase == Phase::Rebuild && self.rebuilt.is_none())
    }

    /// Has the account trie derived.
    fn rebuild(&mut self) {
        let Some(pin) = self.to_rebuild() else { return };
        self.effects.push_back(Effect::Rebuild { target: pin.id, root: pin.target.root });
    }

    fn on_rebuilt(&mut self, root: B256) {
        let Some(pin) = self.to_rebuild() else { return };
        if root != pin.target.root {
            return self.on_difference(&pin, root);
        }
        if self.pivot.is_orphaned {
            // Its state is whole, and of a branch that was left.
            return self.enter(Phase::Download);
        }
        self.rebuilt = Some(root);
        self.record();
        self.tell(Report::StateVerified(pin));
    }

    /// Moves on as far as it goes, fills free slots, and checks what must always be true.
    fn advance(&mut self) {
        self.effects.extend(self.state.storages.stops.drain(..));
        self.chain.receipts.are_made_above(self.receipts_made_above());
        if self.course == Course::Running {
            self.plan_headers();
        }
        if self.course == Course::Running {
            self.seek_pivot();
            self.move_phase();
            self.plan_lists();
            self.plan_lists_above();
            self.plan_healing();
            self.plan_state();
            self.plan_history();
            self.plan_pruning();
            self.move_phase();
        }
        self.check();
    }

    fn plan_headers(&mut self) {
        self.plan_target();
        let floor = self.chain.headers.floor().filter(|_| self.chain.headers.is_authenticated(&self.config));
        if let Some(floor) = floor.filter(|_| self.course == Course::Running) {
            let started = &mut self.jobs_started;
            let due = self.chain.heads.plan(floor.number, self.config.checkpoint, &mut || next_job(started));
            self.effects.extend(due.map(|(id, job)| Effect::Start { id, job }));
        }
        let refused = self.chain.heads.take_refused().into_iter();
        self.effects.extend(refused.map(|(hash, why)| Effect::Report(Report::HeadRefused { hash, why })));
    }

    fn plan_target(&mut self) {
        let Some(named) = self.named.filter(|_| !matches!(self.phase, Phase::Complete | Phase::Follow))
        else {
            return;
        };
        let started = &mut self.jobs_started;
        // More than one step may be due at once: a checkpoint met leads to the next leg.
        match self.chain.headers.plan(&self.config, named, self.pin.as_ref(), &mut || next_job(started)) {
            Ok(Some((id, job))) => self.effects.push_back(Effect::Start { id, job }),
            Ok(None) => {}
            Err(fatal) => self.halt(fatal),
        }
    }

    fn move_phase(&mut self) {
        if self.phase == Phase::Headers
            && self.pin.is_some()
            && self.chain.headers.is_authenticated(&self.config)
        {
            self.enter(Phase::Download);
        }
        // A state that has accounts never becomes one without: where some are held or asked for, it is no shortcut to have none.
        let is_untouched = self.phase == Phase::Download && self.state.accounts.are_untouched();
        let of_nobody = self.pin.filter(|pin| is_untouched && pin.target.root == EMPTY_ROOT);
        if let Some(pin) = of_nobody {
            // No account is missing, and peers would say it by an answer that means as well that they do not have the state.
            self.state.accounts.covered(crate::HashRange::FULL, pin.id);
        }
        let state_is_in = self.state.is_in();
        if self.phase == Phase::Rebuild && self.rebuilt.is_none() && !state_is_in {
            // A row that was asked again came late, and claims something new.
            self.enter(Phase::Download);
        }
        let is_over = match self.phase {
            Phase::Download | Phase::CatchUp => !self.wants_lists(),
            Phase::Heal => self.healing.is_done(),
            _ => false,
        };
        if is_over && state_is_in && self.is_pivot_found() {
            self.enter(Phase::Rebuild);
            self.rebuild();
            #[cfg(feature = "planted-bugs")]
            if self.config.planted == Some(crate::Bug::CompleteBeforeRebuild) {
                self.rebuilt = self.pin.map(|pin| pin.target.root);
            }
        }
        if self.phase == Phase::Rebuild && self.rebuilt.is_some() && self.is_all_in() {
            self.enter(Phase::Complete);
            let pin = self.pin.expect("Rebuild is entered with a pin only");
            self.tell(Report::Complete(pin));
        }
        if self.phase == Phase::Complete && self.config.follow_blocks_max.is_some() {
            self.enter(Phase::Follow);
        }
        // What nobody has of older history keeps no block from being taken.
        let is_verified = self.phase == Phase::Rebuild && self.rebuilt.is_some() && !self.may_follow();
        if is_verified && self.course == Course::Running && self.chain.is_exhausted(&self.config) {
            self.halt(Fatal::HistoryUnavailable { lack: self.chain.lack() });
        }
    }

    /// Whether nothing is open, of state or history.
    fn is_all_in(&self) -> bool {
        self.state.is_in() && self.chain.is_all_in(&self.config)
    }

    fn asks_for_state(&self) -> bool {
        matches!(self.phase, Phase::Download | Phase::CatchUp | Phase::Heal)
    }

    fn plan_state(&mut self) {
        // Each list would outdate what is derived before it.
        let is_later = self.phase == Phase::CatchUp && self.wants_lists();
        if is_later || !self.asks_for_state() {
            return;
        }
        let (mut out, started) = (Vec::new(), &mut self.jobs_started);
        self.state.plan(&self.config, &mut || next_job(started), &mut out);
        self.effects.extend(out);
    }

    fn plan_history(&mut self) {
        if self.pin.is_none() {
            return;
        }
        let mut out = Vec::new();
        let state = self.verified().filter(|_| self.may_follow()).map(|target| target.number);
        let started = &mut self.jobs_started;
        self.chain.plan_blocks(&self.config, state, &mut || next_job(started), &mut out);
        self.effects.extend(out);
    }

    /// What is always true.
    fn check(&self) {
        self.state.check(&self.config);
        self.chain.check(&self.config);
        let asked = self.state.targets.asked().map(|asked| asked.id);
        assert!(asked <= self.pin.map(|pin| pin.id), "asks for a newer target than the pin");
        let state_is_in = self.state.is_in();
        match self.phase {
            Phase::Idle => assert!(self.pin.is_none(), "idle with a target"),
            Phase::Headers => assert!(
                self.state.jobs().next().is_none(),
                "state is asked for before its root is authenticated"
            ),
            Phase::Rebuild | Phase::Complete | Phase::Follow => {
                assert!(state_is_in, "{:?} with state missing", self.phase);
            }
            _ => {}
        }
        let is_verified = self.rebuilt.is_some();
        let is_complete = matches!(self.phase, Phase::Complete | Phase::Follow);
        assert!(is_verified || !is_complete, "complete without a derived root");
    }
}
