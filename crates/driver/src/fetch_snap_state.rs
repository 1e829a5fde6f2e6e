//! The planner: the one thread that owns the desk, and through it engine, streams and peer book.
//!
//! Inbox: network events, verdicts of workers, notices of writers, commands of the handle.
//! Outbox: messages to peers, answers to workers, records and copies to writers, events and figures to the host.
//! Owns: the desk, the payloads of answers that wait to be judged, the clock.
//! Ends when: the handle drops its commands, or the engine cannot go on.
//!
//! It decides nothing: it carries every input to the desk and does every action that the desk asks for. It never hashes
//! and never proves, so it stays far from being the limit.

use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, select_biased};
use snapsync_p2p::{Message, NetworkEvent};
use snapsync_peers::{Fault, PeerId};
use snapsync_storage::{Descent, StorageCopy};
use snapsync_stream::{Action, Answered, HeaderStart, Input, Judgement, Request, RequestId, What};
use snapsync_sync::{Effect, Event as SyncEvent, HeadRefusal};
use snapsync_trie::EMPTY_ROOT;
use tokio::runtime::Runtime;

use crate::{
    Error, Event,
    agree::Agreement,
    ask::{self, Incoming},
    events::HeadSource,
    host::HOST,
    inbox::{Command, Inbox},
    naming::Naming,
    planner::FetchSnapState,
    stores::Notice,
    work::{Report, Task},
};

/// While the peers are asked which block is meant, it is looked this often whether some are waited for in vain.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Figures are published this often at most; a person reads them.
const PUBLISH_EVERY: Duration = Duration::from_millis(200);

/// Inputs after which a timer that is due is looked at although more inputs wait: else a peer that talks without a pause would
/// keep others from ever running out of time. More than all inboxes hold but that of notices, so that an answer that was here
/// before its deadline is read first.
const INPUTS_BEFORE_TIMER: usize = 2048;

impl FetchSnapState {
    /// Runs until the handle or the engine ends it. Whatever was proved by then is written.
    pub(crate) fn run(mut self, runtime: Runtime) -> Result<(), Error> {
        let mut publish_at = Instant::now();
        let mut inputs_since_due = 0;
        while self.ended.is_none() {
            let now = Instant::now();
            if now >= publish_at {
                publish_at = now + PUBLISH_EVERY;
                self.watch();
                self.handle_pending(self.now());
                self.look_at_versions();
                self.outlets.look();
                if self.desk.engine().may_follow() {
                    self.look_for_blocks();
                }
                self.publish();
                self.look_for_hope();
                self.listeners.look(self.started.elapsed());
            }
            let wake_at = self.wake_at();
            self.step(wake_at.map_or(publish_at, |at| at.min(publish_at)));
            let is_due = wake_at.is_some_and(|at| at <= Instant::now());
            inputs_since_due = if is_due { inputs_since_due + 1 } else { 0 };
            if inputs_since_due == INPUTS_BEFORE_TIMER {
                inputs_since_due = 0;
                self.on_timer();
            }
            self.disk.write_waiting();
            self.workers.give_waiting();
            self.outlets.figures.wakes += 1;
        }
        self.publish();
        let mut ended = self.ended.take().unwrap_or(Ok(()));
        if let Some(trace) = self.trace.take() {
            ended = ended.and(trace.finish(self.desk.effect_hash()));
        }
        // The order matters: no new answers, then what the workers still prove, then what the writers still hold.
        let Inbox { reports, notices, network, .. } = self.inbox;
        drop(network);
        drain(reports);
        drain(notices);
        runtime.block_on(self.people.into_network().shutdown());
        runtime.shutdown_background();
        drop(self.blocks.take());
        self.workers.join();
        let ended = Error::or_of_the_disk(ended, self.disk.close());
        if let Err(error) = &ended {
            let label = error.ending().label;
            self.outlets.event(Event::Failed { label, reason: error.to_string() });
        }
        ended
    }

    /// Waits for one thing and carries it out.
    fn step(&mut self, timer: Instant) {
        // The order of the arms: a stop first; then verdicts before notices, since a chunk's verdict is sent before its
        // rows can be committed and the desk must hear of it first; the network last, since its backlog is bounded by
        // what was asked for.
        select_biased! {
            recv(self.inbox.commands) -> command => match command {
                Ok(Command::Target(naming)) => self.on_target(naming),
                Ok(Command::Head(hash)) => {
                    self.accept(hash, HeadSource::Host);
                    self.handle(Input::Sync(SyncEvent::HeadNamed { hash }));
                }
                Ok(Command::Final(hash)) => self.handle(Input::Sync(SyncEvent::FinalNamed { hash })),
                Ok(Command::NoBlock(hash)) => {
                    self.outlets.event(Event::HeadRejected { hash, why: HeadRefusal::NoBlock });
                }
                Ok(Command::Listen(listener)) => self.listeners.add(listener),
                Err(_) => self.ended = Some(Ok(())),
            },
            recv(self.inbox.reports) -> report => match report {
                Ok(report) => self.on_report(report),
                Err(_) => self.ended = Some(Err(Error::ShutDown)),
            },
            recv(self.inbox.notices) -> notice => match notice {
                Ok(notice) => {
                    while let Ok(report) = self.inbox.reports.try_recv() {
                        self.on_report(report);
                    }
                    self.on_notice(notice);
                }
                // Both writers have ended; closing gives the reason.
                Err(_) => self.ended = Some(Err(Error::ShutDown)),
            },
            recv(self.inbox.network) -> event => match event {
                Ok(event) => self.on_network(event),
                Err(_) => self.ended = Some(Err(Error::ShutDown)),
            },
            default(timer.saturating_duration_since(Instant::now())) => self.on_timer(),
        }
    }

    fn wake_at(&self) -> Option<Instant> {
        let desk = self.desk.next_timeout().map(|at| self.started + at);
        let agreement = self.agreement.as_ref().map(|_| Instant::now() + LOOK_EVERY);
        let following = self.following.as_ref().map(|following| self.started + following.wake_at());
        desk.into_iter().chain(agreement).chain(following).min()
    }

    fn on_timer(&mut self) {
        let now = self.now();
        if self.desk.next_timeout().is_some_and(|at| at <= now) {
            self.desk.handle_timeout(now);
            self.drain();
            self.handle_pending(now);
        }
        self.hear();
    }

    /// What peers say of the chain, as far as they have by now, and what follows from it.
    fn hear(&mut self) {
        self.agree();
        self.follow();
        self.handle_pending(self.now());
    }

    fn on_target(&mut self, naming: Naming) {
        match naming {
            Naming::Hash(hash) => {
                self.accept(hash, HeadSource::Host);
                self.handle(Input::Sync(SyncEvent::TargetNamed { hash }));
            }
            Naming::Number(_) | Naming::Latest => {
                // However long the peers take to agree, a pivot on record is gone on with, and may move.
                let held = self.held().filter(|_| naming == Naming::Latest);
                self.pending.extend(held.map(|hash| Input::Sync(SyncEvent::HeadNamed { hash })));
                self.agreement = Some(Agreement::new(self.now(), naming));
                self.hear();
            }
        }
    }

    fn on_network(&mut self, event: NetworkEvent) {
        match event {
            NetworkEvent::Up(up) => {
                let peer = PeerId(up.peer.0);
                // It was greeted before another version was chosen, and is dialled again.
                let speaks = self.versions.speaks();
                if up.snap.map_or(up.snap_offered.contains(&speaks), |version| version != speaks) {
                    return self.people.end(peer);
                }
                let Some((profile, event)) = self.people.join(self.now(), &up) else { return };
                let may_serve =
                    profile.snap.is_some() || self.versions.may_change() && !up.snap_offered.is_empty();
                self.prospects.up(self.now(), up.node_id, may_serve);
                self.outlets.event(event);
                self.look_at_window();
                self.handle(Input::PeerJoined { peer, profile });
                self.hear();
            }
            NetworkEvent::Down { peer, reason } => {
                let peer = PeerId(peer.0);
                if reason.is_breach() && self.people.knows(peer) {
                    // The connection has ended already; what it ended for is remembered for the next one.
                    let fault = Fault::Malformed(reason.to_string());
                    self.handle(Input::Misbehaved { peer, fault });
                }
                // One that was banned was never let in, so the desk does not know it.
                let Some(node) = self.people.node(peer) else { return };
                self.prospects.down(self.now(), node, &reason.to_string());
                let Some(event) = self.people.leave(peer, reason.to_string()) else { return };
                self.outlets.event(event);
                self.handle(Input::PeerLeft { peer });
                self.questions.left(peer);
                if let Some(agreement) = &mut self.agreement {
                    agreement.on_left(peer);
                }
                if let Some(following) = &mut self.following {
                    following.on_left(peer);
                }
                self.hear();
            }
            NetworkEvent::Message { peer, message, bytes, .. } => {
                self.on_message(PeerId(peer.0), message, bytes as u64);
            }
            NetworkEvent::DialFailed { contact, error, attempts } => {
                self.prospects.dial_failed(self.now(), &contact, &error, attempts);
                let peer = contact.to_string();
                self.outlets.event(Event::DialFailed { peer, reason: error.to_string(), attempts });
                self.hear();
            }
        }
    }

    fn on_message(&mut self, peer: PeerId, message: Message, bytes: u64) {
        if !self.people.knows(peer) {
            return;
        }
        // A state that is not whole yet is not served: whoever asks is told so, and not left waiting.
        if let Some(answer) = message.empty_answer() {
            self.people.send(peer, answer);
            return;
        }
        match ask::sort(message) {
            Incoming::Answer { request, payload } => {
                if self.questions.answered(peer, request) {
                    self.on_told(peer, request, &payload);
                    return self.hear();
                }
                let request = RequestId(request);
                self.outlets.figures.answers += 1;
                self.outlets.figures.answer_bytes += bytes;
                let noun = payload.noun();
                self.payloads.entry((peer, request)).or_insert(payload);
                self.handle(Input::Arrived { peer, request, noun, bytes });
            }
            Incoming::Range { blocks, head } => {
                let Some(blocks) = blocks else {
                    let fault = Fault::Malformed("a block range that ends before it begins".into());
                    return self.handle(Input::Misbehaved { peer, fault });
                };
                self.people.moved(peer, blocks.last, head);
                self.look_at_window();
                self.handle(Input::PeerRange { peer, blocks, head });
            }
            Incoming::Other => {}
        }
    }

    fn on_report(&mut self, report: Report) {
        match report {
            Report::Judged { request, verdict } => {
                let reconciled = &mut self.outlets.figures.reconciled;
                match verdict.answered {
                    Answered::Nodes { found, .. } => reconciled.nodes += found,
                    Answered::Shown { .. } => reconciled.ranges += 1,
                    Answered::Kept { .. } => self.on_lists_kept(),
                    _ => {}
                }
                if !verdict.answered.is_written() {
                    self.disk.underway.forget(request);
                }
                self.handle(Input::Judged { request, verdict });
            }
            Report::Part { job, block, hash, part } => {
                self.parts.insert((job, block), (hash, part));
            }
            Report::CodesNamed { accounts } => self.handle(Input::Sync(SyncEvent::CodesNamed { accounts })),
            Report::Followed(step) => {
                self.on_followed(step);
                self.handle_pending(self.now());
                self.drop_change();
            }
            Report::ListsAbove(wish) => self.on_wish(wish),
            Report::Given { blocks, head } => self.on_given(blocks, head),
            Report::Named { head, finalized } => self.on_named(head, finalized),
            Report::Failed(error) => self.ended = Some(Err(error.into())),
        }
        self.handle_pending(self.now());
    }

    fn on_notice(&mut self, notice: Notice) {
        self.on_block_written(&notice);
        match self.disk.event(notice, &mut self.outlets.figures) {
            Ok(Some(event)) => {
                let now = self.now();
                self.prospects.progressed(now);
                self.listeners.on_durable(now, &event);
                self.leave_lists(&event);
                self.handle(Input::Sync(event));
            }
            Ok(None) => {}
            Err(error) => self.ended = Some(Err(error)),
        }
        if self.desk.engine().may_follow() {
            self.look_for_blocks();
        }
    }

    /// One input to the desk, then all that follows from it.
    fn handle(&mut self, input: Input) {
        self.pending.push_back(input);
        self.handle_pending(self.now());
    }

    /// What follows is of the same moment: however long it takes, no connection that was full is tried again within it.
    fn handle_pending(&mut self, now: Duration) {
        while let Some(input) = self.pending.pop_front() {
            self.desk.handle(now, input);
            self.drain();
        }
        self.write_trace();
    }

    fn drain(&mut self) {
        while let Some(action) = self.desk.poll() {
            match action {
                Action::Send { peer, request } => self.send(peer, &request),
                Action::Judge(judgement) => self.judge(judgement),
                Action::Discard { request, peer } => drop(self.payloads.remove(&(peer, request))),
                Action::SetAside { peer, fault } => {
                    if let Some(node) = self.people.node(peer) {
                        self.prospects.broke(node, &fault);
                    }
                    if let Some(peer) = self.people.name(peer) {
                        self.outlets.event(Event::PeerSetAside { peer, fault });
                    }
                }
                Action::DropPart { job, block } => drop(self.parts.remove(&(job, block))),
                Action::Disconnect { peer, fault } => self.hang_up(peer, fault),
                Action::Sync(effect) => self.carry_out(effect),
            }
        }
    }

    fn write_trace(&mut self) {
        let Some(trace) = &mut self.trace else { return };
        let lines = self.desk.take_trace();
        if let Err(error) = lines.iter().try_for_each(|line| trace.line(line)) {
            self.ended = Some(Err(error));
        }
    }

    fn send(&mut self, peer: PeerId, request: &Request) {
        let hashes = match request.what {
            // BLOCKING: what belongs to blocks is asked for by hash: a short read of the numbers' hashes.
            What::Bodies { blocks }
            | What::Receipts { blocks, .. }
            | What::Lists { blocks }
            | What::ListsAbove { blocks } => self.disk.readers.hashes(blocks),
            What::LeftList { block } => Ok(Some(vec![block.hash])),
            _ => Ok(Some(Vec::new())),
        };
        match hashes {
            Ok(Some(hashes)) => {
                if !hashes.is_empty() {
                    let desk = &self.desk;
                    let waiting = || desk.in_flight().into_iter().map(|(_, request)| request).collect();
                    self.asked.insert(request.id, hashes.clone(), waiting);
                }
                if peer == HOST {
                    return self.ask_host(request, &hashes);
                }
                let message = ask::message(request, hashes, self.people.lists_by(peer));
                if !self.people.send(peer, message) {
                    self.pending.push_back(Input::Unsent { request: request.id });
                }
            }
            // The chain ends below these by now; the engine hears of it next.
            Ok(None) => self.pending.push_back(Input::Unsent { request: request.id }),
            Err(error) => self.ended = Some(Err(error.into())),
        }
    }

    fn judge(&mut self, judgement: Judgement) {
        let payload = self.payloads.remove(&(judgement.peer, judgement.request));
        let payload = payload.expect("the desk judges an answer once, and only after it arrived");
        self.disk.underway.expect(&judgement);
        let hashes = self.asked.take(judgement.request);
        let held = match judgement.what {
            What::Receipts { blocks, first_receipt: 1.. } => {
                // The first receipts of another block go with no answer about this one.
                let held = self.parts.remove(&(judgement.job, blocks.first));
                held.filter(|(hash, _)| hashes.first() == Some(hash)).map(|(_, part)| part)
            }
            _ => None,
        };
        let descent = match judgement.what {
            What::Headers { start: HeaderStart::Hash(_), .. } if self.desk.engine().pin().is_none() => {
                Descent::Anew
            }
            What::Headers { start: HeaderStart::Hash(_), .. } => Descent::Begins,
            _ => Descent::GoesOn,
        };
        self.workers.give(Task { judgement, payload, held, hashes, descent });
    }

    fn hang_up(&mut self, peer: PeerId, fault: Fault) {
        if peer == HOST {
            tracing::error!(%fault, "a block that the host gave");
            return self.leave_host();
        }
        if let Some(node) = self.people.node(peer) {
            self.prospects.charged(self.now(), node, &fault);
        }
        if let Some(event) = self.people.charge(self.now(), peer, fault) {
            self.outlets.event(event);
        }
        self.people.hang_up(peer);
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::CopyStorage { donor, accounts } => self.disk.copy(StorageCopy { donor, accounts }),
            Effect::RebuildStorage { account, expected } => {
                self.disk.underway.expect_root(account, expected);
                self.workers.rebuild_storage(account);
            }
            Effect::RebuildOwed => self.workers.rebuild_owed(),
            Effect::Rebuild { target, root } => {
                if root == EMPTY_ROOT {
                    self.disk.hold_empty(target);
                }
                self.workers.rebuild();
            }
            Effect::Follow { .. } => self.change_state(),
            Effect::FindCodes { hashes } => self.workers.find_codes(hashes),
            Effect::FindPivot { number } => self.find_pivot(number),
            Effect::FindList { number } => self.find_list(number),
            Effect::FindLeft { blocks } => self.find_left(&blocks),
            Effect::Prune { hash, state } => self.disk.prune(hash, state),
            Effect::Record(progress) => {
                self.listeners.recording(&progress);
                self.disk.record(&progress);
            }
            Effect::Report(report) => self.report(report),
            Effect::Start { .. }
            | Effect::Stop { .. }
            | Effect::Shorten { .. }
            | Effect::Retarget { .. }
            | Effect::HoldAccounts
            | Effect::ReleaseAccounts => {
                unreachable!("jobs are the desk's own: it hands out no effect that speaks of them")
            }
        }
    }
}

/// Lets senders finish what nobody listens to any more: none of them shall wait for us while we wait for it.
fn drain<T: Send + 'static>(inbox: Receiver<T>) {
    std::thread::spawn(move || inbox.into_iter().for_each(drop));
}
