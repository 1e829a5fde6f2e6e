//! Which version of snap is spoken: one at a time, since a sync that mixes them is advised against (EIP-8189).
//!
//! ```text
//!   few peers speak ours, others only the other      for long enough: the other from now on, once in a run
//!   enough peers speak ours, or nobody the other     ours stays
//! ```
//!
//! Pure: time is passed in. It trusts a peer's Hello for what the peer speaks. It ends no connection.

use std::time::Duration;

use snapsync_wire::SnapVersion;

use crate::config::SnapFallback;

/// Connected peers by what they speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Speakers {
    /// Those that speak the version that is spoken.
    pub(crate) ours: usize,
    /// Those that speak the other one, and not ours.
    pub(crate) other: usize,
}

/// The version that is spoken, and when it changes.
#[derive(Debug)]
pub(crate) struct Versions {
    speaks: SnapVersion,
    /// Nothing once it is used up.
    fallback: Option<SnapFallback>,
    few_since: Option<Duration>,
    /// When somebody was connected last who speaks the other version alone.
    other_at: Option<Duration>,
}

/// The one that is not this one.
pub(crate) fn other(version: SnapVersion) -> SnapVersion {
    match version {
        SnapVersion::Snap1 => SnapVersion::Snap2,
        SnapVersion::Snap2 => SnapVersion::Snap1,
    }
}

impl Versions {
    /// Begins with `first`, or where the other may take its place with the one that was spoken last.
    pub(crate) fn new(first: SnapVersion, fallback: Option<SnapFallback>, last: Option<u8>) -> Self {
        let last = last.and_then(|last| SnapVersion::from_number(u64::from(last)));
        let speaks = last.filter(|_| fallback.is_some()).unwrap_or(first);
        Self { speaks, fallback, few_since: None, other_at: None }
    }

    pub(crate) fn speaks(&self) -> SnapVersion {
        self.speaks
    }

    /// Whether the other version may still take this one's place.
    pub(crate) fn may_change(&self) -> bool {
        self.fallback.is_some()
    }

    /// Nothing is wanted of peers for now: what is not looked at is no time that few were there.
    pub(crate) fn rest(&mut self) {
        self.few_since = None;
    }

    /// Looks who is there while state is wanted. Gives the version that is spoken from now on, if it is another.
    pub(crate) fn look(&mut self, now: Duration, speakers: Speakers) -> Option<SnapVersion> {
        let SnapFallback { peers_min, after_ms } = self.fallback?;
        let after = Duration::from_millis(after_ms);
        if speakers.other > 0 {
            self.other_at = Some(now);
        }
        // One that left lately may come back.
        let is_met = self.other_at.is_some_and(|at| now <= at + after);
        if speakers.ours >= peers_min || !is_met {
            self.few_since = None;
            return None;
        }
        let since = *self.few_since.get_or_insert(now);
        if now < since + after {
            return None;
        }
        self.fallback = None;
        self.speaks = other(self.speaks);
        Some(self.speaks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FALLBACK: Option<SnapFallback> = Some(SnapFallback { peers_min: 1, after_ms: 60_000 });

    /// Looks once a second from `from` on; the second at which another version was chosen.
    fn looks(versions: &mut Versions, from: u64, seconds: u64, ours: usize, other: usize) -> Option<u64> {
        let mut look = |second| versions.look(Duration::from_secs(second), Speakers { ours, other });
        (from..from + seconds).find(|second| look(*second).is_some())
    }

    #[test]
    fn the_other_version_is_spoken_once_nobody_has_spoken_ours_for_long_and_somebody_the_other() {
        let mut versions = Versions::new(SnapVersion::Snap1, FALLBACK, None);
        assert_eq!(looks(&mut versions, 0, 600, 0, 0), None, "nobody speaks the other");
        assert_eq!(looks(&mut versions, 600, 600, 1, 9), None, "one of ours is enough");
        assert_eq!(looks(&mut versions, 1_200, 59, 0, 1), None);
        assert_eq!(looks(&mut versions, 1_259, 1, 1, 1), None, "it came back: the time begins anew");
        assert_eq!(looks(&mut versions, 1_260, 30, 0, 1), None);
        versions.rest();
        assert_eq!(looks(&mut versions, 1_260, 30, 0, 1), None, "nobody looked meanwhile");
        assert_eq!(looks(&mut versions, 1_290, 40, 0, 0), Some(1_320), "it was here a moment ago");
        assert_eq!(versions.speaks(), SnapVersion::Snap2);
        assert_eq!(looks(&mut versions, 1_400, 3_600, 0, 9), None, "once in a run");
    }

    #[test]
    fn a_run_begins_with_the_version_that_was_spoken_last_unless_one_is_ordered() {
        let speaks = |fallback, last| Versions::new(SnapVersion::Snap1, fallback, last).speaks();
        assert_eq!(speaks(FALLBACK, Some(2)), SnapVersion::Snap2);
        assert_eq!(speaks(None, Some(2)), SnapVersion::Snap1);
        assert_eq!([speaks(FALLBACK, Some(9)), speaks(FALLBACK, None)], [SnapVersion::Snap1; 2]);
        let mut back = Versions::new(SnapVersion::Snap1, FALLBACK, Some(2));
        assert_eq!(looks(&mut back, 0, 600, 0, 1), Some(60));
        assert_eq!(back.speaks(), SnapVersion::Snap1, "and goes back where nobody speaks that any more");
        let mut ordered = Versions::new(SnapVersion::Snap2, None, None);
        assert_eq!(looks(&mut ordered, 0, 3_600, 0, 9), None);
    }
}
