//! The chain moves: later heads are drawn, named and followed.
//!
//! The peers decide by their own pace who is on which chain; what the machine makes of a head is its own business.

use std::time::Duration;

use snapsync_peers::Head;
use snapsync_stream::Input;
use snapsync_sync::{BlockRange, Event, Phase, Report};

use crate::{
    chain::{Header, Line},
    chance::Chance,
    rig::Host,
    world::{Happening, World},
    zoo::Kind,
};

/// Draws the chains of so many later heads.
pub(crate) fn draw(line: &mut Line, count: u64, seed: u64) {
    let mut chance = Chance::new(seed ^ 0x0030_7e55);
    for _ in 0..count {
        let (left, more) = draw_move(&mut chance);
        line.grow(left, more, &mut chance);
    }
}

/// By how much a head is lower than the one before at most. Whoever went over to a chain that is lower by more than peers are late to tell of
/// their heads is not asked for headers of the one before, though it may have them.
const SHORTER_MAX: u64 = 6;

/// How far below its head a chain's final block lies, chain by chain.
const FINAL_DEPTHS: [u64; 4] = [0, 64, 8, 400];

/// How many blocks are left and how many come: mostly heads above, some beside, now and then a shorter one.
fn draw_move(chance: &mut Chance) -> (u64, u64) {
    match chance.below(5) {
        0 | 1 => (0, chance.between(1, 4)),
        2 => (0, chance.between(5, 400)),
        3 => {
            let left = chance.between(1, 12);
            (left, left + chance.below(3))
        }
        _ => {
            let left = chance.between(1, 300);
            (left, chance.between(left.saturating_sub(SHORTER_MAX).max(1), 300))
        }
    }
}

/// How long after a move an animal is on the new chain; the first at once, some late, some never.
pub(crate) fn pace(kind: Kind, nth: u64, seed: u64) -> Option<Duration> {
    match (nth + seed) % 4 {
        _ if nth == 0 => Some(Duration::ZERO),
        _ if matches!(kind, Kind::Stale | Kind::Forked) => None,
        0 | 1 => Some(Duration::from_millis(nth * 700)),
        2 => Some(Duration::from_secs(20)),
        _ => None,
    }
}

impl World {
    /// The chain has another head: peers follow, each in its time, and it is named soon.
    pub(crate) fn moved(&mut self, chain: usize) -> Result<(), String> {
        for nth in 0..self.animals.len() {
            if let Some(after) = self.animals[nth].follows {
                self.rig.set_after(after, Happening::Follows(nth, chain));
            }
        }
        let after = Duration::from_millis(self.chance.between(0, 2_000));
        self.rig.set_after(after, Happening::Head(chain));
        Ok(())
    }

    /// The consensus client names the head of a chain.
    pub(crate) fn name(&mut self, chain: usize) -> Result<(), String> {
        self.named = chain;
        if self.rig.desk.engine().phase() == Phase::Idle {
            // The target is named first, and the newest head right behind it.
            return Ok(());
        }
        let Header { number, hash, .. } = *self.line.head(chain);
        self.input(Input::Sync(Event::HeadNamed { hash }))?;
        // Some heads later the chain may leave it all the same: whoever names both contradicts itself, and that harms nothing.
        let depth = FINAL_DEPTHS[chain % FINAL_DEPTHS.len()];
        let hash = self.line.at(chain, number.saturating_sub(depth)).map(|header| header.hash);
        hash.map_or(Ok(()), |hash| self.input(Input::Sync(Event::FinalNamed { hash })))
    }

    /// An animal is on a later chain, and says so to whoever is connected.
    pub(crate) fn follow(&mut self, nth: usize, chain: usize) -> Result<(), String> {
        if self.animals[nth].chain >= chain {
            return Ok(());
        }
        self.animals[nth].follow(&self.line, chain);
        let Some(peer) = self.rig.name_of(nth) else { return Ok(()) };
        let Header { number, hash, .. } = self.line.head(chain).clone();
        let blocks = BlockRange { first: 0, last: number };
        self.input(Input::PeerRange { peer, blocks, head: Head { number: Some(number), hash } })
    }

    /// The machine says that it is at its end: it is, unless heads are still to come.
    pub(crate) fn end(&mut self, report: Report) {
        match report {
            Report::Complete(_) if self.line.chains() > 1 => self.completed = Some(report),
            report => {
                self.watch.ended();
                self.ended = Some(report);
            }
        }
    }

    /// Whether the last head was named, and all of its chain is here.
    pub(crate) fn has_followed(&self) -> bool {
        let engine = self.rig.desk.engine();
        let last = self.line.chains() - 1;
        self.named == last
            && engine.head().is_some_and(|head| head.hash == self.line.head(last).hash)
            && !engine.tally().are_blocks_wanted()
            && self.writers.is_idle()
    }
}
