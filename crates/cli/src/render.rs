//! Progress for people: bars with rates and an ETA on a terminal, a line every 8 seconds otherwise.
//!
//! It shows what it is given and decides nothing.

use std::{
    io::IsTerminal,
    time::{Duration, Instant},
};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use snapsync_driver::{Event, Gain, Progress, Stall};

use crate::{say::errln, scenes::Scene};

/// Without a terminal, a line this often.
const LINE_EVERY: Duration = Duration::from_secs(8);

/// A whole bar.
const PERMILLE: u64 = 1000;

/// A place where progress is shown.
#[derive(Debug)]
pub(crate) enum Screen {
    /// Bars that are drawn over.
    Bars(Box<Bars>),
    /// Lines, one after the other.
    Lines {
        /// When the last one was written.
        last: Instant,
    },
    /// Lines in the log.
    Log {
        /// When the last one was written.
        last: Instant,
    },
    /// Scenes on standard error, for the process that watches.
    Scenes,
    /// Nothing but the end.
    Quiet,
}

/// The bars.
#[derive(Debug)]
pub(crate) struct Bars {
    all: MultiProgress,
    state: ProgressBar,
    history: ProgressBar,
}

impl Screen {
    /// Bars if standard error is a terminal, lines otherwise.
    pub(crate) fn open() -> Self {
        if !std::io::stderr().is_terminal() {
            return Self::Lines { last: Instant::now() };
        }
        let all = MultiProgress::new();
        let bar = |name| with_style(all.add(ProgressBar::new(PERMILLE)), name);
        let (state, history) = (bar("state"), bar("blocks"));
        Self::Bars(Box::new(Bars { all, state, history }))
    }

    /// Lines in the log, for machines.
    pub(crate) fn logged() -> Self {
        Self::Log { last: Instant::now() }
    }

    /// Shows the newest figures.
    pub(crate) fn progress(&mut self, progress: &Progress) {
        match self {
            Self::Bars(bars) => bars.progress(progress),
            Self::Lines { last } | Self::Log { last } if last.elapsed() >= LINE_EVERY => {
                *last = Instant::now();
                self.line(&line(progress));
            }
            Self::Scenes => tell(Scene::of_progress(progress)),
            Self::Lines { .. } | Self::Log { .. } | Self::Quiet => {}
        }
    }

    /// Shows an event that a person wants to know.
    pub(crate) fn event(&mut self, event: &Event) {
        if matches!(self, Self::Scenes) {
            tell(Scene::of_event(event));
        } else if let Some(text) = describe(event) {
            self.line(&text);
        }
    }

    /// Writes a line above the bars. A warning is one in a log, too.
    pub(crate) fn line(&self, text: &str) {
        match self {
            Self::Bars(bars) => {
                let _terminal_gone = bars.all.println(text);
            }
            Self::Lines { .. } => errln!("{text}"),
            Self::Log { .. } => match text.strip_prefix("warning: ") {
                Some(text) => tracing::warn!("{text}"),
                None => tracing::info!("{text}"),
            },
            Self::Scenes | Self::Quiet => {}
        }
    }

    /// Takes the bars away.
    pub(crate) fn close(&mut self) {
        if let Self::Bars(bars) = self {
            let _terminal_gone = bars.all.clear();
        }
    }
}

/// A bar of thousandths.
pub(crate) fn bar(name: &'static str) -> ProgressBar {
    with_style(ProgressBar::new(PERMILLE), name)
}

/// A line that is drawn over, of what has no known end.
pub(crate) fn counter(name: &'static str) -> ProgressBar {
    let style = ProgressStyle::with_template("{prefix:>8} {msg}")
        .unwrap_or_else(|_| ProgressStyle::default_spinner());
    ProgressBar::no_length().with_style(style).with_prefix(name)
}

fn with_style(bar: ProgressBar, name: &'static str) -> ProgressBar {
    let style = ProgressStyle::with_template("{prefix:>8} [{bar:32}] {percent:>3} % {msg}")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    bar.with_style(style.progress_chars("=> ")).with_prefix(name)
}

fn tell(scene: Option<Scene>) {
    if let Some(scene) = scene {
        errln!("{}", scene.to_line());
    }
}

impl Bars {
    fn progress(&self, progress: &Progress) {
        self.state.set_position(permille(progress.share));
        self.state.set_message(format!(
            "{} accounts ({}/s), {} slots ({}/s), {} codes; {}",
            count(progress.durable.accounts),
            count(rate(progress.durable.accounts, progress.elapsed)),
            count(progress.durable.slots),
            count(rate(progress.durable.slots, progress.elapsed)),
            count(progress.durable.codes),
            waiting(progress),
        ));
        self.history.set_position(permille(history_share(progress)));
        self.history.set_message(format!(
            "{} headers, {} bodies, {} receipts; {} peers, {} in flight",
            count(progress.durable.headers),
            count(progress.durable.bodies),
            count(progress.durable.receipts),
            progress.peers,
            progress.in_flight,
        ));
    }
}

fn line(progress: &Progress) -> String {
    format!(
        "{:<8} state {:5.1} % accounts {} ({}/s) slots {} ({}/s) codes {} | headers {} bodies {} receipts {} | peers {} \
         in flight {} received {} MiB | {}",
        progress.phase,
        // Rounded down: all of it is there only when it is.
        (progress.share * 1000.0).floor() / 10.0,
        count(progress.durable.accounts),
        count(rate(progress.durable.accounts, progress.elapsed)),
        count(progress.durable.slots),
        count(rate(progress.durable.slots, progress.elapsed)),
        count(progress.durable.codes),
        count(progress.durable.headers),
        count(progress.durable.bodies),
        count(progress.durable.receipts),
        progress.peers,
        progress.in_flight,
        progress.answer_bytes >> 20,
        waiting(progress),
    )
}

/// What is being waited for, in words: an ETA while it goes on, a reason when it does not.
fn waiting(progress: &Progress) -> String {
    if progress.phase == "complete" || progress.phase == "follow" {
        return "complete".into();
    }
    if let Some(stalled) = progress.stalled {
        let seconds = progress.stalled_for.as_secs();
        let why = progress.waiting_for.as_deref().unwrap_or(stalled);
        return match &progress.gain_lately {
            Some(lately) if stalled == Stall::LosingToHead.label() => {
                format!("stalled for {seconds} s, {stalled}: {}", gain(lately))
            }
            _ => format!("stalled for {seconds} s, {stalled}: waiting for {why}"),
        };
    }
    let is_waiting = progress.idle > LINE_EVERY || progress.peers == 0;
    if let Some(what) = progress.waiting_for.as_ref().filter(|_| is_waiting) {
        return format!("waiting {} s for {what}", progress.idle.as_secs());
    }
    let eta = match eta(progress) {
        Some(eta) => format!("ETA {} s", eta.as_secs()),
        None => "ETA unknown".into(),
    };
    match &progress.gain_lately {
        Some(lately) if lately.produced > 0 => format!("{eta}, {}", gain(lately)),
        _ => eta,
    }
}

/// Blocks that rows were brought on by, against blocks that were produced meanwhile.
pub(crate) fn gain(gain: &Gain) -> String {
    let Gain { brought, produced, .. } = *gain;
    let of = format!("rows brought on by {} blocks while {} were produced", count(brought), count(produced));
    gain.ratio().map_or(of.clone(), |ratio| format!("{of} ({ratio:.1})"))
}

/// Time until state and blocks are here, each at this run's pace so far: the longer of the two. What was held before the run tells
/// nothing of its pace.
fn eta(progress: &Progress) -> Option<Duration> {
    let elapsed = progress.elapsed.as_secs_f64();
    let gained = progress.share - progress.share_before;
    let state = if progress.share >= 1.0 {
        0.0
    } else if gained > 0.001 {
        elapsed * (1.0 - progress.share) / gained
    } else {
        return None;
    };
    let done = progress.durable.headers + progress.durable.bodies + progress.durable.receipts;
    let missing = progress.headers_missing + progress.bodies_missing + progress.receipts_missing;
    let blocks = match (done, missing) {
        (_, 0) => 0.0,
        (0, _) => return None,
        (done, missing) => elapsed * missing as f64 / done as f64,
    };
    let own = Duration::try_from_secs_f64(state.max(blocks)).ok()?;
    Some(own + catching_up(progress)?)
}

/// Time until rows of older blocks are at the head that moves meanwhile; nothing if they come no nearer to it. Before the first of them are
/// brought on nothing is known of it, and nothing is added.
fn catching_up(progress: &Progress) -> Option<Duration> {
    let (Some(rows), Some(head)) = (progress.rows_at, progress.head_number) else {
        return Some(Duration::ZERO);
    };
    match progress.gain_lately {
        Some(lately) if lately.produced > 0 && rows < head => lately.time_for(head - rows),
        _ => Some(Duration::ZERO),
    }
}

fn history_share(progress: &Progress) -> f64 {
    let done = progress.durable.headers + progress.durable.bodies + progress.durable.receipts;
    let missing = progress.headers_missing + progress.bodies_missing + progress.receipts_missing;
    if done + missing == 0 { 0.0 } else { done as f64 / (done + missing) as f64 }
}

pub(crate) fn permille(share: f64) -> u64 {
    (share.clamp(0.0, 1.0) * PERMILLE as f64) as u64
}

pub(crate) fn rate(count: u64, elapsed: Duration) -> u64 {
    (count as f64 / elapsed.as_secs_f64().max(0.001)) as u64
}

/// A number with its thousands apart.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn describe(event: &Event) -> Option<String> {
    Some(match event {
        Event::Phase(phase) => format!("phase: {}", format!("{phase:?}").to_lowercase()),
        Event::Pinned(target) => {
            format!("target: block {} {} with state root {}", target.number, target.hash, target.root)
        }
        Event::PivotMoved { from, to, why } => {
            format!("the pivot moved from block {} to block {} {}: {why}", from.number, to.number, to.hash)
        }
        Event::HeadRejected { hash, why } => format!("head {hash} not taken: {why}"),
        Event::Finalized { block, pruned } => {
            format!(
                "final is block {} {}: {} blocks beside the chain are gone",
                block.number,
                block.hash,
                count(*pruned)
            )
        }
        Event::FinalRejected { hash } => {
            format!("final block {hash} is not on the chain: nothing goes for it")
        }
        Event::SnapChanged { from, to } => {
            format!("too few peers speak {from}: those that speak {to} are asked from now on; all rows stay")
        }
        Event::PeerWindow { peer, place } => format!("peer {peer} is {place}"),
        Event::Missed { events } => format!("{} events were not shown", count(*events)),
        Event::Agreed { number, hash, peers, dissenters } => {
            let others =
                if dissenters.is_empty() { "none says otherwise".into() } else { dissenters.join(", ") };
            format!("block {number} is {hash}: {peers} peers say so, {others}")
        }
        Event::NotAgreed { reason } => format!("{reason}; going on with what is on record"),
        Event::PeerFault { peer, fault } => format!("peer {peer} charged: {} ({fault})", fault.kind()),
        Event::PeerSetAside { peer, fault } => {
            format!("peer {peer} set aside for a moment: {} ({fault})", fault.kind())
        }
        Event::PeerUp { peer, client } => format!("peer {peer} connected: {client}"),
        Event::PeerDown { peer, reason } => format!("peer {peer} gone: {reason}"),
        Event::HistoryLacking(lack) => {
            format!("no peer has {lack}; going on with all else, and asking whoever comes")
        }
        Event::NoLists(why) => format!("access lists do not bring the rows to the target: {why}"),
        Event::Head(head) => format!("head is block {} {}", head.number, head.hash),
        Event::Stalled(stall) => format!("stalled: {stall}"),
        Event::FreshCycle { .. } => "everybody is dialled and asked anew; all rows stay".into(),
        Event::Resumed(stall) => format!("goes on, after: {stall}"),
        Event::BlockTakenBack { hash } => format!("block {hash} taken back: the chain has left it"),
        Event::BlockRefused { block, reason } => {
            format!("block {} {} is bad: {reason}", block.number, block.hash)
        }
        Event::BlockFailed { block, reason } => {
            format!("block {} {} not taken, and tried again: {reason}", block.number, block.hash)
        }
        Event::StateVerified(target) => format!("state root verified: {}", target.root),
        Event::DialFailed { peer, reason, attempts } if *attempts <= 1 => {
            format!("peer {peer} not reached: {reason}")
        }
        // Figures are shown by themselves, and the phase says what is at work.
        Event::Applied(_) | Event::Progress(_) | Event::ReconcileBegan(_) | Event::ReconcileEnded { .. } => {
            return None;
        }
        // They are shown together.
        Event::BlockTaken { .. } => return None,
        // The head's own line follows when its headers are here.
        Event::HeadAccepted { .. } => return None,
        Event::DialFailed { .. } | Event::Complete(_) | Event::Failed { .. } => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_their_thousands_apart() {
        assert_eq!([0, 999, 1000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
    }

    #[test]
    fn a_pivot_that_moves_and_a_head_that_is_not_taken_are_a_line_each_and_what_comes_often_is_none() {
        use snapsync_driver::{HeadRefusal, HeadSource, MoveReason, Target};
        let hash = alloy_primitives::B256::ZERO;
        let target = |number| Target { number, hash, root: hash };
        let moved = Event::PivotMoved { from: target(7), to: target(70), why: MoveReason::Lost };
        let line = describe(&moved).unwrap_or_default();
        assert!(line.starts_with("the pivot moved from block 7 to block 70 0x00"), "{line}");
        assert!(line.ends_with(": no connected peer has its state"), "{line}");
        let refused = describe(&Event::HeadRejected { hash, why: HeadRefusal::OffCheckpoint });
        assert_eq!(
            refused,
            Some(format!("head {hash} not taken: its chain does not contain the checkpoint"))
        );
        let often = [
            Event::HeadAccepted { hash, by: HeadSource::Host },
            Event::Applied(snapsync_driver::Applied::default()),
            Event::Progress(Box::default()),
        ];
        assert!(often.iter().all(|event| describe(event).is_none()));
    }

    #[test]
    fn a_stall_names_its_reason() {
        let mut progress = Progress { phase: "download".into(), share: 0.5, ..Progress::default() };
        progress.waiting_for = Some("a peer: none of the 2 given is connected".into());
        progress.idle = Duration::from_secs(3);
        assert_eq!(waiting(&progress), "waiting 3 s for a peer: none of the 2 given is connected");
        progress.peers = 1;
        progress.elapsed = Duration::from_secs(10);
        assert_eq!(waiting(&progress), "ETA 10 s");
        progress.idle = Duration::from_secs(60);
        progress.waiting_for = Some("a peer that has the missing blocks".into());
        assert_eq!(waiting(&progress), "waiting 60 s for a peer that has the missing blocks");
    }

    #[test]
    fn a_watched_stall_has_its_name_and_the_gain_is_shown() {
        let mut progress = Progress { phase: "heal".into(), peers: 2, ..Progress::default() };
        progress.stalled = Some("peers_lack_state");
        progress.stalled_for = Duration::from_secs(45);
        progress.waiting_for = Some("a peer that has the state of block 7".into());
        let wanted = "stalled for 45 s, peers_lack_state: waiting for a peer that has the state of block 7";
        assert_eq!(waiting(&progress), wanted);
        progress.stalled = Some("losing_to_head");
        progress.gain_lately = Some(Gain { brought: 1_500, produced: 3_000, over_ms: 300_000 });
        let told = "rows brought on by 1,500 blocks while 3,000 were produced (0.5)";
        assert_eq!(waiting(&progress), format!("stalled for 45 s, losing_to_head: {told}"));
    }

    #[test]
    fn what_the_chain_grows_by_meanwhile_is_part_of_the_eta() {
        let elapsed = Duration::from_secs(10);
        let mut progress = Progress { share: 0.5, elapsed, ..Progress::default() };
        assert_eq!(eta(&progress), Some(elapsed));
        // 60 blocks a minute while 15 come: 45 a minute nearer, and 90 to go.
        (progress.rows_at, progress.head_number) = (Some(100), Some(190));
        progress.gain_lately = Some(Gain { brought: 60, produced: 15, over_ms: 60_000 });
        assert_eq!(eta(&progress), Some(Duration::from_secs(10 + 120)));
        progress.gain_lately = Some(Gain { brought: 15, produced: 15, over_ms: 60_000 });
        assert_eq!(eta(&progress), None, "they come no nearer");
    }

    #[test]
    fn eta_follows_the_pace_of_this_run_and_counts_blocks() {
        let mut progress = Progress {
            share: 0.9,
            share_before: 0.8,
            elapsed: Duration::from_secs(10),
            ..Progress::default()
        };
        assert_eq!(eta(&progress), Some(Duration::from_secs(10)));
        progress.durable.bodies = 100;
        progress.bodies_missing = 300;
        assert_eq!(eta(&progress), Some(Duration::from_secs(30)), "the blocks take longer");
        progress.share_before = 0.9;
        assert_eq!(eta(&progress), None, "nothing is known of the pace");
    }
}
