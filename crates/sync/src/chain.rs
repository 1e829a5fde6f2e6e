//! Headers, bodies and receipts together, and what nobody has of them.
//!
//! History that no peer has ends nothing while there is something else to do: it is set aside, told, and asked for again when
//! somebody comes who may have it. The planners say what is missing; what it means that it is, the engine.

use crate::{
    BlockRange, Config, Effect, Head, HeaderPiece, Job, JobId, Join, Journal, Lack, Missing,
    headers::Headers,
    heads::Heads,
    history::{AskedOf, Blocks, HeadersAre, wanted},
    lack::Lacking,
};

/// The planners of the chain's parts.
#[derive(Debug)]
pub(crate) struct Chain {
    pub(crate) headers: Headers,
    pub(crate) heads: Heads,
    pub(crate) bodies: Blocks,
    pub(crate) receipts: Blocks,
    lacking: Lacking,
    /// The highest block whose body and receipts are wanted.
    last: u64,
}

impl Chain {
    pub(crate) fn new(config: &Config, journal: &Journal) -> Self {
        let last = journal.wanted_up_to(config.checkpoint).unwrap_or_default();
        let blocks = journal.pin.and_then(|_| wanted(config.history, last));
        let within = |ranges: &[BlockRange]| -> Vec<BlockRange> {
            ranges.iter().filter_map(|range| range.meet(blocks?)).collect()
        };
        let of_checkpoint = |piece: &HeaderPiece| {
            config.checkpoint.is_some_and(|checkpoint| checkpoint.hash == piece.head.hash)
        };
        Self {
            headers: Headers::new(config, journal),
            heads: Heads::new(journal.top(), journal.descent.filter(|piece| !of_checkpoint(piece))),
            bodies: Blocks::new(within(&journal.bodies)),
            receipts: Blocks::new(within(&journal.receipts)),
            lacking: Lacking::default(),
            last,
        }
    }

    /// The target is known, and with it which blocks are wanted.
    pub(crate) fn want(&mut self, config: &Config, target: Head) {
        self.heads.reached(target);
        self.last = target.number;
        let blocks = self.wanted(config);
        self.bodies = Blocks::new(blocks);
        self.receipts = Blocks::new(blocks);
    }

    /// The blocks whose bodies and receipts are wanted.
    pub(crate) fn wanted(&self, config: &Config) -> Option<BlockRange> {
        wanted(config.history, self.last)
    }

    /// Other headers are canonical above a fork, or more of them. Gives the jobs that ask for what is not.
    pub(crate) fn join(&mut self, config: &Config, join: &Join) -> Vec<JobId> {
        if self.heads.top() == Some(join.top) {
            return Vec::new();
        }
        self.heads.reached(join.top);
        let of_checkpoint = config.checkpoint.is_some_and(|checkpoint| checkpoint.hash == join.top.hash);
        let before = self.last;
        self.last = if of_checkpoint { self.last.min(join.top.number) } else { join.top.number };
        let wanted = self.wanted(config);
        // Blocks below a checkpoint that lies above the target were not wanted before there was a head above it.
        let between = BlockRange::new(before.saturating_add(1), join.fork.min(self.last));
        let between = between.and_then(|between| between.meet(wanted?));
        between.into_iter().for_each(|between| {
            self.bodies.want(between);
            self.receipts.want(between);
        });
        let mut stale = self.bodies.rejoin(join.fork, wanted, &join.bodies);
        stale.extend(self.receipts.rejoin(join.fork, wanted, &join.receipts));
        stale
    }

    /// Sets aside what no connected peer has. Gives the jobs that have nothing else to do; `None` for what cannot wait.
    pub(crate) fn nobody_has(&mut self, config: &Config, missing: &Missing) -> Option<Vec<JobId>> {
        let floor = self.headers.floor().map_or(0, |floor| floor.number);
        if self.heads.lacks(missing, floor) {
            return Some(self.heads.nobody_has().into_iter().collect());
        }
        match missing {
            Missing::Bodies { blocks } => Some(self.bodies.nobody_has(*blocks)),
            Missing::Receipts { blocks } => Some(self.receipts.nobody_has(*blocks)),
            // Without the headers above, the state's root is not authenticated, and no state is asked for.
            Missing::Headers { blocks } if self.headers.is_authenticated(config) => {
                Some(self.headers.nobody_has(*blocks))
            }
            _ => None,
        }
    }

    /// What nobody has, if it is to be told.
    pub(crate) fn news(&mut self) -> Option<Lack> {
        let lack = self.lack();
        self.lacking.is_news(&lack).then_some(lack)
    }

    /// What nobody has.
    pub(crate) fn lack(&self) -> Lack {
        Lack::new(self.headers.absent(), self.bodies.absent(), self.receipts.absent())
    }

    /// Whether there are bodies or receipts that nobody has.
    pub(crate) fn lacks_blocks(&self) -> bool {
        !self.bodies.absent().is_empty() || !self.receipts.absent().is_empty()
    }

    /// Somebody has these. Headers need no reopening: they are asked for all the time.
    pub(crate) fn reopen(&mut self, blocks: BlockRange, is_state_complete: bool) {
        let is_lacked = self.bodies.lacks(blocks) || self.receipts.lacks(blocks);
        if is_lacked && self.lacking.may_reopen(is_state_complete) {
            self.bodies.reopen(blocks);
            self.receipts.reopen(blocks);
        }
    }

    /// Whether all that is missing is what nobody has.
    pub(crate) fn is_exhausted(&self, config: &Config) -> bool {
        let floor = self.headers.floor().map_or(u64::MAX, |floor| floor.number);
        (self.headers.is_done(config) || self.headers.absent().is_some())
            && self.heads.are_exhausted()
            && self.bodies.is_exhausted(floor)
            && self.receipts.is_exhausted(floor)
    }

    /// Whether nothing is missing. A later head that nobody has does not count: what the target needs is here.
    pub(crate) fn is_all_in(&self, config: &Config) -> bool {
        self.headers.is_done(config)
            && self.heads.are_exhausted()
            && self.bodies.is_empty()
            && self.receipts.is_empty()
    }

    /// Starts jobs for bodies and receipts, as far as headers are durable. Bodies above the block `state` are waited for first.
    pub(crate) fn plan_blocks(
        &mut self,
        config: &Config,
        state: Option<u64>,
        ids: &mut impl FnMut() -> JobId,
        out: &mut Vec<Effect>,
    ) {
        let Some(floor) = self.headers.floor().filter(|_| self.headers.is_authenticated(config)) else {
            return;
        };
        let top = self.heads.top().map_or(0, |top| top.number);
        let Some(held) = BlockRange::new(floor.number, top) else { return };
        let headers = if floor.number <= 1 { HeadersAre::Down } else { HeadersAre::Coming };
        let held = AskedOf { blocks: held, headers, state };
        self.bodies.plan(config, held, |blocks| Job::Bodies { blocks }, ids, out);
        let held = AskedOf { state: None, ..held };
        self.receipts.plan(config, held, |blocks| Job::Receipts { blocks }, ids, out);
    }

    pub(crate) fn ended(&mut self, job: JobId) -> bool {
        self.headers.ended(job) || self.heads.ended(job) || self.bodies.ended(job) || self.receipts.ended(job)
    }

    pub(crate) fn jobs(&self) -> impl Iterator<Item = JobId> + '_ {
        let headers = self.headers.job().into_iter().chain(self.heads.job());
        headers.chain(self.bodies.jobs()).chain(self.receipts.jobs())
    }

    /// What is always true here.
    pub(crate) fn check(&self, config: &Config) {
        self.bodies.check(config);
        self.receipts.check(config);
    }
}
