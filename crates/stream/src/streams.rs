//! Streams: what of each job is still to be asked for, in order, and how many requests of it may be in flight.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use alloy_primitives::B256;
use snapsync_peers::{Noun, PeerId};
use snapsync_sync::{HeaderTop, Job, JobId, TargetId};

use crate::{
    Config, HeaderStart, What, cut,
    walk::{self, Width},
};

/// Under which root account rows are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Under {
    pub(crate) target: TargetId,
    pub(crate) root: B256,
}

/// Work that was cut off a job, and what became of it until now.
#[derive(Clone, Debug)]
pub(crate) struct Piece {
    pub(crate) what: What,
    /// Tries that failed.
    pub(crate) tries: u32,
    /// Peers that do not have it, and until when they are not asked again.
    pub(crate) refused: Vec<(PeerId, Duration)>,
    /// Since when every connected peer has refused it.
    pub(crate) refused_by_all_since: Option<Duration>,
    /// A peer whose answer did not prove, and until when it is left alone.
    pub(crate) busy: Option<(PeerId, Duration)>,
    /// Peers whose answers to it did not prove; one for each try at most.
    pub(crate) broken: Vec<PeerId>,
    /// The only peer that can go on with a block's receipts (eth/70).
    pub(crate) stick: Option<PeerId>,
    /// What an answer to it weighed that found no room: so much is reserved for the next.
    pub(crate) heavy_bytes: u64,
    /// Connections that ended while they had it.
    pub(crate) losses: u32,
}

impl Piece {
    pub(crate) fn new(what: What) -> Self {
        Self {
            what,
            tries: 0,
            refused: Vec::new(),
            refused_by_all_since: None,
            busy: None,
            broken: Vec::new(),
            stick: None,
            heavy_bytes: 0,
            losses: 0,
        }
    }

    /// Whether any peer will do.
    pub(crate) fn is_plain(&self) -> bool {
        self.refused.is_empty() && self.busy.is_none() && self.stick.is_none()
    }

    /// Whether nobody was asked for it yet.
    pub(crate) fn is_fresh(&self) -> bool {
        self.is_plain() && self.tries == 0 && self.heavy_bytes == 0
    }

    /// Remembers that what a peer sent of it did not prove.
    pub(crate) fn broken_by(&mut self, peer: PeerId, until: Duration) {
        if !self.broken.contains(&peer) {
            self.broken.push(peer);
        }
        self.busy = Some((peer, until));
    }

    /// Remembers that a peer does not have it.
    pub(crate) fn refuse(&mut self, peer: PeerId, until: Duration) {
        self.refused.retain(|(other, _)| *other != peer);
        self.refused.push((peer, until));
    }

    /// Has account rows asked for under this root. What peers said of it under another one says nothing of this: who lacked that may
    /// have this, and who broke the range there is not contradicted by what proves here.
    pub(crate) fn retarget(&mut self, under: Under) {
        let (What::Accounts { target, root, .. } | What::Renewal { target, root, .. }) = &mut self.what
        else {
            return;
        };
        if *target != under.target {
            (*target, *root) = (under.target, under.root);
            self.refused.clear();
            self.refused_by_all_since = None;
            self.broken.clear();
        }
    }

    /// Peers that are not to be asked for it now.
    pub(crate) fn avoid(&self, now: Duration) -> Vec<PeerId> {
        self.refused
            .iter()
            .chain(&self.busy)
            .filter(|(_, until)| now < *until)
            .map(|(peer, _)| *peer)
            .collect()
    }

    /// When the first of them may be asked again.
    pub(crate) fn next_try(&self, now: Duration) -> Option<Duration> {
        self.refused.iter().chain(&self.busy).map(|(_, until)| *until).filter(|until| now < *until).min()
    }

    /// Gives up a continuation that only one peer could have given: the block starts again at its first receipt.
    pub(crate) fn unstick(&mut self) {
        self.stick = None;
        if let What::Receipts { first_receipt, .. } = &mut self.what {
            *first_receipt = 0;
        }
    }
}

/// How many requests of a stream may be in flight: one more after each full success, half after a time-out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    size: usize,
    max: usize,
}

impl Window {
    pub(crate) fn new(first: usize, max: usize) -> Self {
        let max = max.max(1);
        Self { size: first.clamp(1, max), max }
    }

    pub(crate) fn size(self) -> usize {
        self.size
    }

    pub(crate) fn grow(&mut self) {
        self.size = self.size.saturating_add(1).min(self.max);
    }

    pub(crate) fn shrink(&mut self) {
        self.size = (self.size / 2).max(1);
    }
}

/// One job's stream.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) noun: Noun,
    is_walk: bool,
    is_kept: bool,
    pub(crate) todo: VecDeque<Piece>,
    /// Blocks that every connected peer has refused.
    pub(crate) lacking: Vec<Piece>,
    pub(crate) window: Window,
    /// Requests that are not judged yet.
    pub(crate) open: usize,
    /// Where an account range ends by now.
    pub(crate) last: Option<B256>,
    /// Under which root account rows are asked for from now on.
    pub(crate) under: Option<Under>,
    /// The header that must be judged next: number, when it is known, and hash.
    pub(crate) expected: Option<(Option<u64>, B256)>,
    /// The block whose list must be judged next.
    pub(crate) next_list: Option<u64>,
    /// How wide a walk may become.
    pub(crate) width: Width,
}

impl Stream {
    pub(crate) fn new(config: &Config, job: Job) -> Self {
        let (last, expected) = match &job {
            Job::Accounts { range, .. } => (Some(range.last()), None),
            Job::Headers { top: HeaderTop::Named { hash }, .. } => (None, Some((None, *hash))),
            Job::Headers { top: HeaderTop::Linked { number, hash }, .. } => {
                (None, Some((Some(*number), *hash)))
            }
            _ => (None, None),
        };
        let next_list = match &job {
            Job::Lists { blocks } | Job::ListsAbove { blocks } => Some(blocks.first),
            Job::LeftList { block } => Some(block.number),
            _ => None,
        };
        let under = match job {
            Job::Accounts { target, root, .. } | Job::Renewal { target, root, .. } => {
                Some(Under { target, root })
            }
            _ => None,
        };
        // State takes what the peers' windows hold: each keeps its own line busy, and the budget bounds them all.
        // Renewals are small, so that a window of requests is little of a line.
        let window = match &job {
            Job::Renewal { .. }
            | Job::Headers { .. }
            | Job::Bodies { .. }
            | Job::Receipts { .. }
            | Job::Lists { .. }
            | Job::LeftList { .. } => Window::new(config.window_first, config.window_max),
            // Their bytes are known when they are here: one answer at most comes above what may be kept.
            Job::ListsAbove { .. } => Window::new(1, 1),
            _ => Window::new(usize::MAX, usize::MAX),
        };
        let is_kept = matches!(job, Job::ListsAbove { .. });
        let is_walk = walk::is_walk(&job);
        let todo: VecDeque<Piece> = cut::of_job(job).into_iter().map(Piece::new).collect();
        let noun = todo.front().expect("a job asks for something").what.noun();
        let width = Width::of(config);
        let lacking = Vec::new();
        Self {
            noun,
            is_walk,
            is_kept,
            todo,
            lacking,
            window,
            open: 0,
            last,
            under,
            expected,
            next_list,
            width,
        }
    }

    /// Whether a request may be cut off now. Headers or lists that all later ones wait for pass even a full window, which may
    /// hold nothing but those later ones.
    pub(crate) fn wants(&self) -> bool {
        let has_room = !self.is_walk || self.width.has_room(self.noun, self.open, self.nodes());
        self.todo
            .front()
            .is_some_and(|piece| self.open < self.window.size() && has_room || self.is_next(&piece.what))
    }

    /// Nodes that a walk knows of and has not asked for; none of what is no walk.
    pub(crate) fn known(&self) -> u64 {
        if self.is_walk { self.nodes() } else { 0 }
    }

    /// Things that wait to be asked for.
    fn nodes(&self) -> u64 {
        self.todo.iter().map(|piece| piece.what.items()).sum()
    }

    /// Whether these are the headers, or the lists, that all later ones of the stream wait for.
    pub(crate) fn is_next(&self, what: &What) -> bool {
        match (what, self.expected) {
            (What::Headers { start, .. }, Some((next, _))) => start.number() == next,
            (What::Lists { blocks } | What::ListsAbove { blocks }, _) => self.next_list == Some(blocks.first),
            (What::LeftList { block }, _) => self.next_list == Some(block.number),
            _ => false,
        }
    }

    /// Headers whose first hash is known by now are asked for by it.
    pub(crate) fn link(&self, what: &mut What) {
        if let (What::Headers { start, .. }, Some((Some(next), hash))) = (what, self.expected)
            && *start == HeaderStart::Number(next)
        {
            *start = HeaderStart::Linked { number: next, hash };
        }
    }

    /// The pivot moved: account rows are asked for under another root from now on. Claims are asked for under that of their own target.
    pub(crate) fn retarget(&mut self, under: Under) {
        if self.under.is_some() {
            self.under = Some(under);
            self.todo.iter_mut().for_each(|piece| piece.retarget(under));
        }
    }

    /// Whether it asks for accounts of a range: new ones, which make new claims.
    pub(crate) fn is_of_range(&self) -> bool {
        self.last.is_some()
    }

    /// Whether what comes is kept in memory until it is used.
    pub(crate) fn is_kept(&self) -> bool {
        self.is_kept
    }

    /// Whether all account rows that wait are asked for under the newest root.
    pub(crate) fn is_of_one_target(&self) -> bool {
        let is_newest = |piece: &Piece| match (&piece.what, self.under) {
            (What::Accounts { target, root, .. } | What::Renewal { target, root, .. }, Some(under)) => {
                (*target, *root) == (under.target, under.root)
            }
            (What::Accounts { .. } | What::Renewal { .. }, None) => false,
            _ => true,
        };
        self.todo.iter().all(is_newest)
    }

    /// A block that has begun holds bytes until it is whole: what waits for room, since it is heavy, must not stand in its way.
    pub(crate) fn finish_begun(&mut self) {
        let is_begun =
            |piece: &Piece| matches!(piece.what, What::Receipts { first_receipt, .. } if first_receipt > 0);
        if self.todo.front().is_some_and(|front| front.heavy_bytes > 0 && !is_begun(front))
            && let Some(at) = self.todo.iter().position(is_begun)
            && let Some(begun) = self.todo.remove(at)
        {
            self.todo.push_front(begun);
        }
    }

    /// Has the rest of this block asked for before all else.
    pub(crate) fn finish(&mut self, block: u64) {
        if let Some(at) = self.todo.iter().position(|piece| piece.what.begun() == Some(block))
            && let Some(begun) = self.todo.remove(at)
        {
            self.todo.push_front(begun);
        }
    }

    /// Puts work back, before all else; headers before all lower ones and lists before all higher ones, since they are of use in that order
    /// only. What is left of an answer to an older root is asked for under the newest.
    pub(crate) fn put_back(&mut self, mut piece: Piece) {
        if let Some(under) = self.under {
            piece.retarget(under);
        }
        let is_before = |other: &Piece| match (&other.what, &piece.what) {
            (What::Headers { start: other, .. }, What::Headers { start: own, .. }) => {
                own.number().is_some() && other.number() > own.number()
            }
            (What::Lists { blocks: other }, What::Lists { blocks: own })
            | (What::ListsAbove { blocks: other }, What::ListsAbove { blocks: own }) => {
                other.first < own.first
            }
            _ => false,
        };
        let at = self.todo.iter().take_while(|other| is_before(other)).count();
        self.todo.insert(at, piece);
    }

    /// Whether there is nothing left to ask for or to wait for.
    pub(crate) fn is_done(&self) -> bool {
        self.todo.is_empty() && self.lacking.is_empty() && self.open == 0
    }

    /// Puts back what a peer does not have: bodies and receipts behind all else, so that what does have a peer goes on.
    pub(crate) fn put_back_refused(&mut self, piece: Piece) {
        if piece.what.blocks().is_some() { self.todo.push_back(piece) } else { self.put_back(piece) }
    }

    /// Clips what is still to be asked for.
    pub(crate) fn shorten(&mut self, last: B256) {
        self.last = Some(last);
        self.todo.retain_mut(|piece| {
            let What::Accounts { range, .. } = &mut piece.what else { return true };
            match snapsync_sync::HashRange::new(range.start(), last.min(range.last())) {
                Some(shorter) => {
                    *range = shorter;
                    true
                }
                None => false,
            }
        });
    }
}

/// All streams by job.
pub(crate) type Streams = BTreeMap<JobId, Stream>;
