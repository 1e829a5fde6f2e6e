//! A sync from a chain that moves, told to a person: one line for each thing that happens, and the share in between.
//!
//! Pure: time is passed in, and lines are handed out. It also says when the chain is to turn, and when the sync is to be killed, so that
//! there is something to tell.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use snapsync_demo::{ChainNews, DEPTH_MAX, Turn};

use crate::{render::count, scenes::Scene};

/// How often the share is told while nothing else happens.
const SHARE_EVERY: Duration = Duration::from_secs(2);
/// Blocks that come before a sync begins.
const BLOCKS_BEFORE: u64 = 8;
/// Blocks between two turns of the chain.
const TURN_EVERY: u64 = 40;
/// A shallow turn leaves fewer blocks than this.
const SHALLOW: u64 = 8;
/// A deep turn leaves more blocks than this: the pivot is as far below the head.
const DEEP: u64 = 64;
/// The shares from which on the chain turns past the pivot once.
const DEEP_AT: [f64; 2] = [0.1, 0.6];
/// The shares at which the sync is killed once; and it is once more while it heals.
const KILL_AT: [f64; 3] = [0.2, 0.5, 0.8];

/// What is to happen besides the chain's growth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Twists {
    /// Whether the chain turns to other branches.
    pub(crate) reorgs: bool,
    /// Whether the sync is killed now and then.
    pub(crate) kills: bool,
}

/// What has been told.
#[derive(Debug)]
pub(crate) struct Story {
    twists: Twists,
    /// Where the chain began to move.
    first: u64,
    head: u64,
    pivot: Option<u64>,
    phase: String,
    /// The share that was heard of last, in thousandths: as it is told.
    share: u64,
    told_at: Option<Duration>,
    /// Whether nothing was heard of this run yet.
    is_new: bool,
    runs: u32,
    /// The head at which the chain turned last, or began.
    turned_at: u64,
    /// Whether it was told to turn, and has not yet.
    is_turning: bool,
    turns: u64,
    deep: usize,
    /// The pivot that the chain has left last: it is not left twice.
    left: Option<u64>,
    kills: usize,
    has_killed_healing: bool,
    /// What each peer is.
    peers: BTreeMap<String, &'static str>,
    /// Who was caught, and at what.
    caught: BTreeSet<(String, String)>,
}

impl Story {
    /// The chain is at this block, below which it cannot be turned, and nobody syncs yet from these peers.
    pub(crate) fn new(head: u64, twists: Twists, peers: BTreeMap<String, &'static str>) -> Self {
        Self {
            peers,
            caught: BTreeSet::new(),
            twists,
            first: head,
            head,
            pivot: None,
            phase: String::new(),
            share: 0,
            told_at: None,
            is_new: true,
            runs: 0,
            turned_at: head,
            is_turning: false,
            turns: 0,
            deep: 0,
            left: None,
            kills: 0,
            has_killed_healing: false,
        }
    }

    /// A sync has started.
    pub(crate) fn started(&mut self) {
        self.runs += 1;
        self.is_new = true;
    }

    /// What the sync told; a line for it, if it is worth one.
    pub(crate) fn on_scene(&mut self, now: Duration, scene: &Scene) -> Option<String> {
        match scene {
            Scene::Figures { phase, share, storages, nodes } => {
                let open = match phase.as_str() {
                    "heal" => format!("{} nodes compared", count(*nodes)),
                    _ => format!("{} storages open", count(*storages as u64)),
                };
                self.on_figures(now, phase, *share, &open)
            }
            Scene::Phase(phase) => {
                self.phase.clone_from(phase);
                // What goes on is told with the share at which it does.
                let is_told = !self.is_new || self.runs == 1;
                is_told.then(|| format!("phase     {phase}"))
            }
            Scene::Pivot { number, .. } => self.on_pivot(*number),
            Scene::Fault { peer, kind } => {
                let is_new = self.caught.insert((peer.clone(), kind.clone()));
                let what = self.peers.get(peer).copied().unwrap_or("nobody of ours");
                is_new.then(|| format!("caught    peer {peer} ({what}): {kind}"))
            }
            Scene::Complete { .. } => None,
        }
    }

    /// What the chain did.
    pub(crate) fn on_news(&mut self, news: &ChainNews) -> Option<String> {
        match news {
            ChainNews::Grown { number, .. } => {
                self.head = *number;
                None
            }
            ChainNews::Turned(Turn { fork, left, head }) => {
                (self.head, self.turned_at, self.is_turning) = (*head, *head, false);
                self.turns += 1;
                let pivot = match self.pivot {
                    Some(pivot) if pivot > *fork => format!("the pivot, {pivot}, is left with them"),
                    Some(pivot) => format!("the pivot, {pivot}, is on both branches"),
                    None => "there is no pivot yet".to_owned(),
                };
                Some(format!(
                    "turned    the chain leaves {} blocks, {} to {left}, for others up to {head}: {pivot}",
                    left - fork,
                    fork + 1
                ))
            }
        }
    }

    /// The sync was killed.
    pub(crate) fn killed(&mut self) -> String {
        self.kills += 1;
        if self.phase == "heal" {
            self.has_killed_healing = true;
        }
        format!("killed    SIGKILL at {} in phase {}: kill {}", percent(self.share), self.phase, self.kills)
    }

    /// How many blocks the chain is to leave now, if it is to turn.
    pub(crate) fn turn(&mut self) -> Option<u64> {
        let pivot = self.pivot.filter(|pivot| *pivot > self.first && self.left != Some(*pivot));
        let above = pivot.and_then(|pivot| self.head.checked_sub(pivot));
        if !self.twists.reorgs || self.is_turning {
            return None;
        }
        let is_deep_due = DEEP_AT.get(self.deep).is_some_and(|at| self.share >= thousandths(*at));
        // The pivot goes, too, though the chain may have grown a little meanwhile.
        let deep = above.map(|above| above + 4).filter(|depth| (DEEP + 1..DEPTH_MAX).contains(depth));
        let depth = match deep.filter(|_| is_deep_due) {
            Some(depth) => {
                self.deep += 1;
                self.left = pivot;
                depth
            }
            None if self.head >= self.turned_at + TURN_EVERY => 1 + self.turns % SHALLOW,
            None => return None,
        };
        self.is_turning = true;
        Some(depth)
    }

    /// Whether the sync is to be killed now.
    pub(crate) fn kill(&self) -> bool {
        let by_share = KILL_AT.get(self.kills - usize::from(self.has_killed_healing));
        let is_due = by_share.is_some_and(|at| self.share >= thousandths(*at));
        // Not before it has told where it stands.
        self.twists.kills && !self.is_new && (is_due || self.phase == "heal" && !self.has_killed_healing)
    }

    /// Whether the chain has moved far enough for a sync to begin: no pivot is to be where it began.
    pub(crate) fn has_begun(&self) -> bool {
        self.head >= self.first + BLOCKS_BEFORE
    }

    /// How many blocks the newest one is above this one.
    pub(crate) fn above(&self, number: u64) -> u64 {
        self.head.saturating_sub(number)
    }

    fn on_pivot(&mut self, number: u64) -> Option<String> {
        let before = self.pivot.replace(number);
        let (head, above) = (self.head, self.above(number));
        match before {
            None => Some(format!("pivot     block {number}, {above} below head {head}")),
            Some(before) if before == number => None,
            Some(before) => Some(format!("moved     pivot {before} -> {number}, {above} below head {head}")),
        }
    }

    fn on_figures(&mut self, now: Duration, phase: &str, share: f64, open: &str) -> Option<String> {
        let before = std::mem::replace(&mut self.share, thousandths(share));
        self.phase = phase.to_owned();
        let is_first = std::mem::take(&mut self.is_new);
        let line = match self.share.checked_sub(before) {
            _ if is_first && self.runs > 1 => resumed(before, self.share, phase),
            None => format!(
                "share     {}, after {}: more is missing than was known",
                percent(self.share),
                percent(before)
            ),
            Some(_) if self.told_at.is_some_and(|at| now < at + SHARE_EVERY) => return None,
            Some(_) => {
                let (share, head, pivot) = (percent(self.share), self.head, self.pivot?);
                let above = self.above(pivot);
                format!(
                    "share     {share} in phase {phase}, {open}; pivot {pivot}, {above} below head {head}"
                )
            }
        };
        self.told_at = Some(now);
        Some(line)
    }
}

/// What a restart found, beside what was told last.
fn resumed(before: u64, share: u64, phase: &str) -> String {
    let why = match before.checked_sub(share) {
        None | Some(0) => "nothing that was told is lost".to_owned(),
        Some(less) => format!(
            "{} less: what was not committed at the kill comes again, and what is missing is estimated anew",
            percent(less)
        ),
    };
    format!("resumed   at {} in phase {phase}: {why}", percent(share))
}

fn thousandths(share: f64) -> u64 {
    (share.clamp(0.0, 1.0) * 1000.0) as u64
}

fn percent(thousandths: u64) -> String {
    format!("{}.{} %", thousandths / 10, thousandths % 10)
}

#[cfg(test)]
mod tests {
    use alloy_primitives::B256;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn figures(share: f64) -> Scene {
        Scene::Figures { phase: "download".into(), share, storages: 1_200, nodes: 0 }
    }

    fn story() -> Story {
        let peers = BTreeMap::from([("a".to_owned(), "forged value")]);
        let mut story = Story::new(100, Twists { reorgs: true, kills: true }, peers);
        story.started();
        story.first = 50;
        let pivot = Scene::Pivot { number: 100, hash: B256::ZERO };
        assert_eq!(story.on_scene(SECOND, &pivot).as_deref(), Some("pivot     block 100, 0 below head 100"));
        story
    }

    #[test]
    fn the_share_is_told_now_and_then_and_never_falls_without_a_word() {
        let mut story = story();
        let told = story.on_scene(SECOND, &figures(0.1));
        assert_eq!(
            told.as_deref(),
            Some("share     10.0 % in phase download, 1,200 storages open; pivot 100, 0 below head 100")
        );
        assert_eq!(story.on_scene(2 * SECOND, &figures(0.15)), None, "a second later");
        assert!(story.on_scene(3 * SECOND, &figures(0.2)).is_some());
        let fallen = story.on_scene(3 * SECOND, &figures(0.18)).expect("a word");
        assert!(fallen.contains("18.0 %, after 20.0 %: more is missing"), "{fallen}");
        story.killed();
        story.started();
        let resumed = story.on_scene(4 * SECOND, &figures(0.17)).expect("a word");
        assert!(resumed.starts_with("resumed   at 17.0 % in phase download: 1.0 % less"), "{resumed}");
        story.started();
        let resumed = story.on_scene(5 * SECOND, &figures(0.17)).expect("a word");
        assert!(resumed.contains("nothing that was told is lost"), "{resumed}");
    }

    #[test]
    fn who_lies_is_told_once_for_each_lie() {
        let mut story = story();
        let fault = Scene::Fault { peer: "a".into(), kind: "root_mismatch".into() };
        let told = story.on_scene(SECOND, &fault);
        assert_eq!(told.as_deref(), Some("caught    peer a (forged value): root_mismatch"));
        assert_eq!(story.on_scene(SECOND, &fault), None);
    }

    #[test]
    fn it_is_killed_at_each_share_once_and_once_while_it_heals() {
        let mut story = story();
        assert!(!story.kill(), "nothing is told yet");
        let mut kills = Vec::new();
        for share in 0..100 {
            story.on_scene(SECOND, &figures(f64::from(share) / 100.0));
            if story.kill() {
                kills.push(share);
                story.killed();
                story.started();
                assert!(!story.kill(), "it has not told where it stands");
            }
        }
        assert_eq!(kills, [20, 50, 80]);
        let heals = Scene::Figures { phase: "heal".into(), share: 0.99, storages: 0, nodes: 7 };
        story.on_scene(SECOND, &heals);
        assert!(story.kill());
        story.killed();
        story.started();
        story.on_scene(SECOND, &heals);
        assert!(!story.kill(), "once is enough");
    }

    #[test]
    fn the_chain_turns_now_and_then_and_past_the_pivot_once_that_lies_deep() {
        let mut story = story();
        story.on_scene(SECOND, &figures(0.3));
        let mut turns = Vec::new();
        for number in 101..200 {
            story.on_news(&ChainNews::Grown { number, hash: B256::ZERO });
            assert_eq!(story.has_begun(), number >= 58);
            let Some(depth) = story.turn() else { continue };
            assert_eq!(story.turn(), None, "one at a time");
            turns.push((number, depth));
            let turn = Turn { fork: number - depth, left: number, head: number + 1 };
            let told = story.on_news(&ChainNews::Turned(turn)).expect("a word");
            assert_eq!(told.contains("is left with them"), depth > DEEP, "{told}");
        }
        assert_eq!(turns, [(140, 1), (161, 65)]);
        let moved = story.on_scene(SECOND, &Scene::Pivot { number: 150, hash: B256::ZERO });
        assert_eq!(moved.as_deref(), Some("moved     pivot 100 -> 150, 49 below head 199"));
    }
}
