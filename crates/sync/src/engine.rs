//! The engine: one event in, effects out.
//!
//! `handle` takes the event to the planner that it concerns; `advance` then moves the phase, lets each planner fill its free
//! slots, and checks what must always be true. Nothing is planned anywhere else.

use std::{collections::VecDeque, time::Duration};

use alloy_primitives::B256;
use snapsync_trie::EMPTY_ROOT;

use crate::{
    Config, Coverage, Effect, Event, Fatal, Head, HeaderReach, HeaderSegment, JobId, Join, Journal, Missing,
    Phase, Pin, Progress, Report, Tally, Target, TargetId, chain::Chain, headers::Expected, state::State,
};

/// Whether the engine goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Course {
    Running,
    /// A fatal report went out. Nothing changes any more.
    Halted,
}

/// Plans a sync. See the crate's documentation.
#[derive(Debug)]
pub struct Engine {
    config: Config,
    course: Course,
    phase: Phase,
    named: Option<B256>,
    pin: Option<Pin>,
    rebuilt: Option<B256>,
    state: State,
    chain: Chain,
    jobs_started: u64,
    recorded: Option<Progress>,
    effects: VecDeque<Effect>,
}

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
            named: journal.pin.map(|pin| pin.target.hash),
            pin: journal.pin,
            rebuilt,
            state: State::new(&journal),
            chain: Chain::new(&config, &journal),
            jobs_started: 0,
            recorded: None,
            effects: VecDeque::new(),
            config,
        };
        if engine.pin.is_some() {
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
            Phase::Complete if self.rebuilt.is_some() && self.is_all_in() => Phase::Complete,
            _ if self.rebuilt.is_some() => Phase::Rebuild,
            _ => Phase::Download,
        }
    }

    /// Takes one event. Drain [`Engine::poll`] before the next one.
    pub fn handle(&mut self, _now: Duration, event: Event) {
        if self.course == Course::Halted {
            return;
        }
        match event {
            Event::TargetNamed { hash } => self.on_named(hash),
            Event::PivotMoved { target } => self.on_moved(target),
            Event::Recorded { pin } => self.on_recorded(pin),
            Event::HeadNamed { hash } => self.on_head(hash),
            Event::HeadersDurable { job, segment, reach, .. } => self.on_headers(job, &segment, &reach),
            Event::AccountsDurable { covered, target, storages, codes, .. } => {
                self.state.accounts.covered(covered, target);
                self.state.claimed(&self.config, target, storages, codes);
            }
            Event::StoragesDurable { settled, partial, .. } => {
                self.state.storages.durable(&self.config, &settled, partial);
            }
            Event::CodesDurable { found, .. } => found.iter().for_each(|hash| self.state.codes.found(hash)),
            Event::BodiesDurable { job, blocks, .. } => {
                let idle = self.chain.bodies.durable(job, &blocks);
                self.stop(idle);
            }
            Event::ReceiptsDurable { job, blocks, .. } => {
                let idle = self.chain.receipts.durable(job, &blocks);
                self.stop(idle);
            }
            // Nothing became held, so nothing is given back: its job owes what it owed, until it ends or all of it is durable.
            Event::Outdated { .. } => {}
            Event::Fetched { job, next } => self.state.accounts.fetched(job, next),
            Event::JobEnded { job, .. } => self.on_ended(job),
            Event::StoragesCopied { settled, refused } => self.state.storages.copied(&settled, &refused),
            Event::StorageRebuilt { account, root } => {
                if let Err(expected) = self.state.storages.derived(&self.config, account, root) {
                    self.halt(Fatal::StorageRootMismatch { account, expected, derived: root });
                }
            }
            Event::StorageTaken { account } => self.state.storages.taken(account),
            Event::Rederive { account: Some(account) } => self.state.storages.derive_again(account),
            Event::Rederive { account: None } => self.rebuild(),
            Event::Rebuilt { root } => self.on_rebuilt(root),
            Event::NoPeerHas { missing } => self.on_missing(missing),
            Event::PeerHas { blocks } => self.chain.reopen(blocks, self.rebuilt.is_some()),
        }
        self.advance();
    }

    /// Time has come that [`Engine::next_timeout`] named.
    pub fn handle_timeout(&mut self, _now: Duration) {
        self.advance();
    }

    /// The next thing to do.
    pub fn poll(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// When [`Engine::handle_timeout`] wants to be called, if ever. A standing target waits for nothing.
    pub fn next_timeout(&self) -> Option<Duration> {
        None
    }

    /// The settings.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The phase.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// The target, once its header is known.
    pub fn pin(&self) -> Option<Pin> {
        self.pin
    }

    /// The highest block whose headers are held without a hole, once the target's is: the head that was named last, when it is here.
    pub fn head(&self) -> Option<Head> {
        self.chain.heads.top()
    }

    /// What would be recorded now.
    pub fn progress(&self) -> Progress {
        let blocks = self.pin.and_then(|_| self.chain.wanted(&self.config));
        Progress { pin: self.pin, phase: self.phase, rebuilt: self.rebuilt, blocks }
    }

    /// Whether there are bodies or receipts that no peer had until now.
    pub fn lacks_history(&self) -> bool {
        self.chain.lacks_blocks()
    }

    /// What is held of the accounts.
    pub fn account_coverage(&self) -> &Coverage {
        self.state.accounts.held()
    }

    /// Figures for a watcher.
    pub fn tally(&self) -> Tally {
        // The last bit is kept back until the derived root was compared: only that makes a state complete.
        let share_max = if self.rebuilt.is_some() { 1.0 } else { 0.9999 };
        let floor = self.chain.headers.floor().map(|floor| floor.number);
        let target = self.pin.map_or(0, |pin| pin.target.number);
        Tally {
            share: self.state.accounts.share().min(share_max),
            account_gaps: self.state.accounts.gaps(),
            storages_pending: self.state.storages.len(),
            storages_huge: self.state.storages.huge(),
            claims_outdated: self.state.storages.claims_outdated(),
            storages_deriving: self.state.storages.deriving(),
            slots_owed: self.state.storages.slots_owed(),
            codes_pending: self.state.codes.len(),
            header_floor: floor,
            headers_missing: floor.map_or(target, |floor| floor.saturating_sub(1))
                + self.chain.heads.missing(),
            bodies_missing: self.chain.bodies.missing(),
            receipts_missing: self.chain.receipts.missing(),
        }
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

    /// The first head is the target. The state stays with it; headers, bodies and receipts follow later ones.
    fn on_head(&mut self, hash: B256) {
        if self.named.is_none() {
            return self.on_named(hash);
        }
        let stale = self.chain.heads.name(hash);
        self.stop(stale);
    }

    fn stop(&mut self, jobs: impl IntoIterator<Item = JobId>) {
        self.effects.extend(jobs.into_iter().map(|id| Effect::Stop { id }));
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

    /// Only what is being downloaded has a use for another root. Before that, none is authenticated that it could take the place of; once
    /// the derived root was compared, blocks bring the state on.
    fn on_moved(&mut self, target: Target) {
        let is_open = self.phase == Phase::Download || self.phase == Phase::Rebuild && self.rebuilt.is_none();
        let Some(before) = self.pin.filter(|pin| is_open && pin.target != target) else { return };
        let pin = Pin { id: before.id.next(), target };
        self.pin = Some(pin);
        // As after a restart, which knows only what was recorded.
        self.named = Some(target.hash);
        self.tell(Report::Pinned(pin));
        match self.phase {
            // The rows stay, and so does what is derived from them: whatever root comes of it is compared with the newest target's.
            Phase::Rebuild => self.enter(Phase::Download),
            _ => self.record(),
        }
    }

    /// A writer knows a target now. Of several moves the last one counts: what was meant to be asked before it, is not any more.
    fn on_recorded(&mut self, recorded: Option<TargetId>) {
        let is_news = |pin: &Pin| {
            recorded == Some(pin.id) && self.state.targets.asked().is_none_or(|asked| asked.id < pin.id)
        };
        let Some(pin) = self.pin.filter(is_news) else { return };
        self.state.targets.ask(pin);
        self.effects.push_back(Effect::Retarget { target: pin.id, root: pin.target.root });
    }

    /// Another chain is canonical, or a longer one.
    fn on_joined(&mut self, join: &Join) {
        let before = self.chain.heads.top();
        let stale = self.chain.join(&self.config, join);
        self.stop(stale);
        if self.pin.is_some() && before != self.chain.heads.top() {
            self.record();
            self.tell(Report::Head(join.top));
        }
    }

    fn on_ended(&mut self, job: JobId) {
        let _known = self.state.ended(job) || self.chain.ended(job);
    }

    /// Has the account trie derived.
    fn rebuild(&mut self) {
        let is_due = self.phase == Phase::Rebuild && self.rebuilt.is_none();
        let Some(pin) = self.pin.filter(|_| is_due) else { return };
        self.effects.push_back(Effect::Rebuild { target: pin.id, root: pin.target.root });
    }

    fn on_rebuilt(&mut self, root: B256) {
        let Some(pin) = self.pin.filter(|_| self.phase == Phase::Rebuild && self.rebuilt.is_none()) else {
            return;
        };
        if root != pin.target.root {
            return self.halt(self.state.accounts.mismatch(&pin, root));
        }
        self.rebuilt = Some(root);
        self.record();
        self.tell(Report::StateVerified(pin));
    }

    /// What nobody has of the newest target's state ends a sync: nothing moves the pivot by itself yet. Of an older one it ends nothing,
    /// what that claimed waits. History that nobody has ends nothing while there
    /// is something else to do.
    fn on_missing(&mut self, missing: Missing) {
        let idle = match &missing {
            Missing::State { .. } if self.phase != Phase::Download => return,
            Missing::State { target } if self.pin.is_none_or(|pin| pin.id != *target) => {
                self.state.targets.lose(*target);
                Some(self.state.storages.set_aside(*target))
            }
            _ => self.chain.nobody_has(&self.config, &missing),
        };
        let Some(idle) = idle else { return self.halt(Fatal::TargetUnavailable { missing }) };
        self.effects.extend(idle.into_iter().map(|id| Effect::Stop { id }));
        if let Some(lack) = self.chain.news() {
            self.tell(Report::Lacking(lack));
        }
    }

    /// Moves on as far as it goes, fills free slots, and checks what must always be true.
    fn advance(&mut self) {
        if self.course == Course::Running {
            self.plan_headers();
        }
        if self.course == Course::Running {
            self.move_phase();
            self.plan_state();
            self.plan_history();
            self.move_phase();
        }
        self.check();
    }

    fn plan_headers(&mut self) {
        self.plan_target();
        let floor = self.chain.headers.floor().filter(|_| self.chain.headers.is_authenticated(&self.config));
        if let Some(floor) = floor.filter(|_| self.course == Course::Running) {
            let started = &mut self.jobs_started;
            let due = self.chain.heads.plan(floor.number, &mut || next_job(started));
            self.effects.extend(due.map(|(id, job)| Effect::Start { id, job }));
        }
    }

    fn plan_target(&mut self) {
        let Some(named) = self.named.filter(|_| self.phase != Phase::Complete) else { return };
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
        if self.phase == Phase::Download && state_is_in {
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
        let is_verified = self.phase == Phase::Rebuild && self.rebuilt.is_some();
        if is_verified && self.course == Course::Running && self.chain.is_exhausted(&self.config) {
            self.halt(Fatal::HistoryUnavailable { lack: self.chain.lack() });
        }
    }

    /// Whether nothing is open, of state or history.
    fn is_all_in(&self) -> bool {
        self.state.is_in() && self.chain.is_all_in(&self.config)
    }

    fn plan_state(&mut self) {
        if self.phase != Phase::Download {
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
        let started = &mut self.jobs_started;
        self.chain.plan_blocks(&self.config, &mut || next_job(started), &mut out);
        self.effects.extend(out);
    }

    fn enter(&mut self, next: Phase) {
        assert!(self.phase.may_become(next), "{:?} may not become {next:?}", self.phase);
        self.phase = next;
        self.record();
        self.tell(Report::Phase(next));
    }

    /// Has the journal say where we are, if it does not already.
    fn record(&mut self) {
        let progress = self.progress();
        if self.recorded.as_ref() != Some(&progress) {
            self.recorded = Some(progress.clone());
            self.effects.push_back(Effect::Record(progress));
        }
    }

    fn tell(&mut self, report: Report) {
        self.effects.push_back(Effect::Report(report));
    }

    fn halt(&mut self, fatal: Fatal) {
        let jobs = self.open_jobs();
        self.effects.extend(jobs.into_iter().map(|id| Effect::Stop { id }));
        self.tell(Report::Fatal(fatal));
        self.course = Course::Halted;
    }

    fn open_jobs(&self) -> Vec<JobId> {
        self.state.jobs().chain(self.chain.jobs()).collect()
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
            Phase::Rebuild | Phase::Complete => assert!(state_is_in, "{:?} with state missing", self.phase),
            _ => {}
        }
        assert!(self.phase != Phase::Complete || self.rebuilt.is_some(), "complete without a derived root");
    }
}

fn next_job(started: &mut u64) -> JobId {
    *started += 1;
    JobId(*started)
}
