//! Whether a sync still comes on, and what it waits for if it does not: a stall has one name, begins once and ends once.
//!
//! ```text
//!   nothing came on for as long as is allowed
//!     nobody is connected that could help, or who is does not answer     no peers
//!     answers are with a writer, which says nothing                      disk
//!     else                                                               peers lack the state, or the blocks
//!   it does come on, and the chain grows faster                          losing to the head
//! ```
//!
//! A stall of peers that lasts has the sync begin a fresh cycle, once: what peers lacked is forgotten, and all that is wanted is asked anew.
//!
//! It is shown the desk and the time, as often as somebody likes, and changes nothing: who is asked again, and when, the desk decides. It trusts
//! no peer: that one lacks something is what all of them have answered.

use std::{fmt, time::Duration};

use snapsync_sync::Phase;

use crate::{Desk, Needs};

/// What a sync waits for that does not come on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stall {
    /// Nobody is connected who could help, or whoever is does not answer.
    NoPeers,
    /// Peers answer, and none gives any of the state that is wanted.
    PeersLackState,
    /// Peers answer, and none gives any of the headers, bodies, receipts or lists that are wanted.
    PeersLackBlocks,
    /// What was proved is with a writer, which does not come to an end.
    Disk,
    /// Rows are brought on, and the chain grows faster.
    LosingToHead,
}

impl Stall {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::NoPeers, Self::PeersLackState, Self::PeersLackBlocks, Self::Disk, Self::LosingToHead];

    /// A word for scripts, which stays what it is.
    pub const fn label(self) -> &'static str {
        match self {
            Self::NoPeers => "no_peers",
            Self::PeersLackState => "peers_lack_state",
            Self::PeersLackBlocks => "peers_lack_blocks",
            Self::Disk => "disk",
            Self::LosingToHead => "losing_to_head",
        }
    }
}

impl fmt::Display for Stall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoPeers => "no peer is connected that answers",
            Self::PeersLackState => "no connected peer has the state",
            Self::PeersLackBlocks => "no connected peer has the missing blocks",
            Self::Disk => "the disk does not take what was proved",
            Self::LosingToHead => "the chain grows faster than the rows are brought on",
        })
    }
}

/// What the desk does not know of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sight {
    /// What is needed of peers. It may be more than the engine knows: a target that peers are to name.
    pub needs: Needs,
    /// Connected peers that may have it.
    pub helpers: usize,
}

/// A stall begins or ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alarm {
    /// It begins.
    Begins(Stall),
    /// It is over: things come on again, or it has another name now.
    Ends(Stall),
    /// It has lasted: a fresh cycle is to begin ([`Input::AskAnew`](crate::Input::AskAnew)). Once a stall.
    BeginAnew(Stall),
}

/// Watches a desk. See the module's documentation.
#[derive(Debug)]
pub struct Watchdog {
    limit: Duration,
    anew_after: Duration,
    /// Whether the stall that lasts had its fresh cycle.
    is_anew: bool,
    /// What is needed, since when.
    needs: Option<(Needs, Duration)>,
    stall: Option<(Stall, Duration)>,
}

impl Watchdog {
    /// One that waits so long for something to come on, and so much longer before all is asked anew.
    pub fn new(limit: Duration, anew_after: Duration) -> Self {
        Self { limit, anew_after, is_anew: false, needs: None, stall: None }
    }

    /// The stall, and since when it has this name.
    pub fn stall(&self) -> Option<(Stall, Duration)> {
        self.stall
    }

    /// Looks at the desk: what ended, then what began.
    pub fn look(&mut self, now: Duration, desk: &Desk, sight: Sight) -> Vec<Alarm> {
        let since = match self.needs {
            Some((needs, since)) if needs == sight.needs => since,
            // What is needed now may not have been asked for yet.
            _ => now,
        };
        self.needs = Some((sight.needs, since));
        let cause = cause(self.limit, now, since, desk, sight);
        let before = self.stall.map(|(stall, _)| stall);
        if cause == before {
            return self.begin_anew(now).into_iter().collect();
        }
        self.is_anew = false;
        self.stall = cause.map(|stall| (stall, now));
        before.map(Alarm::Ends).into_iter().chain(cause.map(Alarm::Begins)).collect()
    }

    /// The stall has lasted, for want of peers or of what they have.
    fn begin_anew(&mut self, now: Duration) -> Option<Alarm> {
        let (stall, since) = self.stall?;
        let is_of_peers = matches!(stall, Stall::NoPeers | Stall::PeersLackState | Stall::PeersLackBlocks);
        if self.is_anew || !is_of_peers || now < since + self.anew_after {
            return None;
        }
        self.is_anew = true;
        Some(Alarm::BeginAnew(stall))
    }
}

/// What it waits for, if it stands still or falls behind; `since`: what is needed has been needed so long.
fn cause(limit: Duration, now: Duration, since: Duration, desk: &Desk, sight: Sight) -> Option<Stall> {
    let pulse = desk.pulse;
    let came_on = match sight.needs {
        Needs::Nothing => return None,
        // The state comes after its headers.
        Needs::State if matches!(desk.engine().phase(), Phase::Idle | Phase::Headers) => pulse.blocks,
        Needs::State => pulse.state,
        Needs::Blocks => pulse.blocks,
    };
    let is_old = |moment: Duration| moment.max(since) + limit <= now;
    if !is_old(came_on) {
        return desk.engine().is_losing_to_head().then_some(Stall::LosingToHead);
    }
    Some(match sight.needs {
        _ if sight.helpers == 0 => Stall::NoPeers,
        _ if desk.is_writing() && is_old(pulse.written) => Stall::Disk,
        _ if is_old(pulse.answered) => Stall::NoPeers,
        Needs::State => Stall::PeersLackState,
        Needs::Blocks | Needs::Nothing => Stall::PeersLackBlocks,
    })
}
