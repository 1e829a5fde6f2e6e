//! What is seen of a run from outside: when its target may be named, when it is over, and how.
//!
//! It trusts the engine's events and draws conclusions for people only. It drives nothing.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use alloy_primitives::B256;
use snapsync_driver::{Config, Event, Head, MoveReason, PeerFault, Progress, SnapSync, Target};

use crate::{measure::Costs, memory::Slack, render::Screen, taken::Taken, wavering::Wavering};

/// How long a run waits for what it expects of peers, before and after the sync.
const PATIENCE: Duration = Duration::from_secs(10);

/// Of heads that follow each other every few seconds one is shown in this time.
const HEAD_EVERY: Duration = Duration::from_secs(60);

/// What a run expects of its peers. It goes on without that when its patience ends.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Expected {
    /// Connected peers before the target is named, so that each of them is asked.
    pub(crate) connected: usize,
    /// Peers that were charged with something, or set aside for it, before the run ends: a silent one's time may run out after the last answer.
    pub(crate) charged: usize,
}

/// With which block a run ends that goes on above a verified state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UpTo {
    /// This one, which whoever watches names: at once, or when the state is verified.
    Named {
        /// Its hash.
        hash: B256,
        /// Whether it is named at once.
        at_once: bool,
    },
    /// The newest head that was named, as soon as the state is of it.
    Head {
        /// Its number, once there is one.
        newest: Option<u64>,
    },
    /// As high as peers first agree.
    Latest {
        /// Its number, once they have.
        number: Option<u64>,
    },
}

/// How a run ended.
#[derive(Debug)]
pub(crate) enum Ended {
    /// With a verified target, and these figures.
    Complete(Target, Box<Progress>),
    /// By a signal.
    Interrupted,
    /// By an error, which the handle tells when it is shut down.
    Failed,
}

/// A target that is complete.
#[derive(Debug)]
struct Complete {
    target: Target,
    progress: Progress,
    at: Instant,
}

/// What was seen of a run until now.
#[derive(Debug)]
pub(crate) struct Watch {
    expected: Expected,
    slack: Slack,
    started: Instant,
    named: bool,
    connected: usize,
    complete: Option<Complete>,
    /// Blocks above the verified state that were taken and not shown yet.
    taken: Taken,
    wavering: Wavering,
    /// Whether it goes on once the target is complete, until it is stopped.
    pub(crate) follows: bool,
    /// With which block the run ends, if it goes on after the target is complete.
    pub(crate) up_to: Option<UpTo>,
    is_head_named: bool,
    /// The block that the state is of since blocks are taken, its hash zero where its child was taken back; and how many were taken.
    pub(crate) followed: Option<(Head, u64)>,
    is_verified: bool,
    /// Whether the state was of the block with which the run ends.
    has_passed: bool,
    /// When a head was shown last.
    head_at: Option<Instant>,
    /// Where it is shown.
    pub(crate) screen: Screen,
    /// Every fault that ended a connection.
    pub(crate) faults: Vec<(String, PeerFault)>,
    /// Peers that sent ranges that do not prove, each with the last such fault of a kind.
    pub(crate) set_aside: BTreeMap<(String, &'static str), PeerFault>,
    /// The most anonymous memory seen, bytes.
    pub(crate) anonymous_peak_bytes: u64,
}

impl Watch {
    /// Nothing was seen yet.
    pub(crate) fn new(config: &Config, expected: Expected, screen: Screen) -> Self {
        Self {
            expected,
            slack: Slack::near(config.memory_bytes),
            started: Instant::now(),
            named: false,
            connected: 0,
            complete: None,
            taken: Taken::new(),
            wavering: Wavering::default(),
            follows: false,
            up_to: None,
            is_head_named: false,
            followed: None,
            is_verified: false,
            has_passed: false,
            head_at: None,
            screen,
            faults: Vec::new(),
            set_aside: BTreeMap::new(),
            anonymous_peak_bytes: 0,
        }
    }

    /// Whether the target is to be named now; said once.
    pub(crate) fn is_time_to_name(&mut self) -> bool {
        if self.named {
            return false;
        }
        self.named = self.connected >= self.expected.connected || self.started.elapsed() > PATIENCE;
        self.named
    }

    /// How the run ended, once it is over. A complete one waits for charges that are expected, and not for any if nobody
    /// was asked for anything.
    pub(crate) fn ended(&self) -> Option<Ended> {
        let complete = self.complete.as_ref()?;
        if self.follows && !self.is_there(complete.target) {
            return None;
        }
        let charged = self.faults.iter().map(|(peer, _)| peer.as_str());
        let set_aside = self.set_aside.keys().map(|(peer, _)| peer.as_str());
        let charged: BTreeSet<&str> = charged.chain(set_aside).collect();
        let is_over = complete.progress.answers == 0
            || charged.len() >= self.expected.charged
            || complete.at.elapsed() > PATIENCE;
        is_over.then(|| Ended::Complete(complete.target, Box::new(complete.progress.clone())))
    }

    /// Whether the state has come to the block with which the run ends. What peers have agreed on may have been left since.
    fn is_there(&self, complete: Target) -> bool {
        let at = self.followed.map_or(complete.number, |(head, _)| head.number.max(complete.number));
        match self.up_to {
            Some(UpTo::Named { hash, .. }) => self.has_passed || hash == complete.hash,
            Some(UpTo::Latest { number } | UpTo::Head { newest: number }) => {
                number.is_some_and(|number| at >= number)
            }
            None => false,
        }
    }

    /// The head that is to be named now; said once.
    pub(crate) fn head_to_name(&mut self) -> Option<B256> {
        let Some(UpTo::Named { hash, at_once }) = self.up_to else { return None };
        let is_time = at_once || self.is_verified || self.complete.is_some();
        if self.is_head_named || !is_time {
            return None;
        }
        self.is_head_named = true;
        Some(hash)
    }

    /// How a run ended that a signal has stopped. One that follows the head has no other end.
    pub(crate) fn stopped(&mut self, sync: &SnapSync) -> Ended {
        match self.complete.as_ref().filter(|_| self.follows) {
            Some(complete) => Ended::Complete(complete.target, Box::new(sync.progress())),
            None => Ended::Interrupted,
        }
    }

    /// Shows blocks that were taken, if it is time, or at once.
    pub(crate) fn show_taken(&mut self, at_once: bool) {
        if let Some(line) = self.taken.line(at_once) {
            self.screen.line(&line);
        }
    }

    /// Looks at an event and shows it.
    pub(crate) fn on_event(&mut self, event: Event, sync: &SnapSync) {
        let is_told = |watch: &Self, peer: &String, fault: &PeerFault| {
            watch.set_aside.contains_key(&(peer.clone(), fault.kind()))
        };
        match &event {
            Event::PeerSetAside { peer, fault } if is_told(self, peer, fault) => {}
            Event::Head(_) if self.head_at.is_some_and(|at| at.elapsed() < HEAD_EVERY) => {}
            event => {
                if matches!(event, Event::Head(_)) {
                    self.head_at = Some(Instant::now());
                }
                self.screen.event(event);
            }
        }
        match event {
            // What is heard after this belongs to the peers, not to the sync: its figures are those of now.
            Event::Complete(target) => {
                self.complete = Some(Complete { target, progress: sync.progress(), at: Instant::now() });
            }
            Event::StateVerified(_) => self.is_verified = true,
            Event::Head(head) => {
                if let Some(UpTo::Head { newest }) = &mut self.up_to {
                    *newest = Some(head.number);
                }
            }
            Event::BlockTakenBack { .. } => {
                if let Some(line) = self.wavering.on_taken_back(self.started.elapsed()) {
                    self.screen.line(&line);
                }
                if let Some((head, _)) = &mut self.followed {
                    *head = Head { number: head.number.saturating_sub(1), hash: B256::ZERO };
                }
            }
            Event::PivotMoved { why: MoveReason::Stranded | MoveReason::Orphaned, .. } => {
                let said = self.wavering.on_moved(self.started.elapsed());
                said.into_iter().for_each(|line| self.screen.line(&line));
            }
            Event::Agreed { number, .. } => {
                if let Some(UpTo::Latest { number: up_to }) = &mut self.up_to {
                    up_to.get_or_insert(number);
                }
            }
            Event::PeerUp { .. } => self.connected += 1,
            Event::BlockTaken { block, transactions, gas, by, took } => {
                self.wavering.on_taken();
                self.taken.add(block.number, (transactions, gas), by, took);
                self.has_passed |= matches!(self.up_to, Some(UpTo::Named { hash, .. }) if hash == block.hash);
                self.followed = Some((block, self.followed.map_or(0, |(_, blocks)| blocks) + 1));
            }
            Event::PeerFault { peer, fault } => self.faults.push((peer, fault)),
            Event::PeerSetAside { peer, fault } => {
                self.set_aside.insert((peer, fault.kind()), fault);
            }
            _ => {}
        }
    }

    /// Looks at the figures and shows them, and what is new of the consensus client.
    pub(crate) fn on_tick(&mut self, sync: &SnapSync, news: Option<String>) {
        news.into_iter().for_each(|line| self.screen.line(&line));
        let anonymous_bytes = Costs::now().anonymous_bytes;
        self.anonymous_peak_bytes = self.anonymous_peak_bytes.max(anonymous_bytes);
        self.slack.see(anonymous_bytes);
        self.show_taken(false);
        if self.complete.is_none() {
            self.screen.progress(&sync.progress());
        }
    }
}
