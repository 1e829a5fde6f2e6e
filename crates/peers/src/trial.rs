//! Trials of peers that dialled us.
//!
//! Whoever comes to us may come for nothing but to be asked, and to keep us waiting; under new names it comes again. As long as
//! somebody else can be asked, those who came and were of no use yet are tried one at a time for each noun, with one request, for
//! which somebody else is asked soon. So many of them cost no more than one: a request that waits for a moment. Where nobody else is
//! there, all are asked at once, since one of them may be honest. Trust: none.

use std::time::Duration;

use crate::{Ask, Book, Noun, PeerId, PeerKind, entry::Entry};

/// A trial is not late before this, however fast others are: the round trip of a peer that is far away.
const LATE_LEAST: Duration = Duration::from_millis(100);

/// Whether somebody may be tried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trials {
    /// One at a time.
    Single,
    /// The request is late already, or one of the last.
    None,
}

impl Entry {
    /// Whether the peer came to us and was of no use for this noun yet.
    pub(crate) fn is_on_trial(&self, noun: Noun) -> bool {
        self.profile.kind == PeerKind::Inbound && self.useful_for[noun.index()] == 0
    }
}

impl Book {
    /// Takes those out who are not to be tried now.
    pub(crate) fn hold_trials(
        &self,
        now: Duration,
        candidates: &mut Vec<PeerId>,
        ask: &Ask,
        avoid: &[PeerId],
        trials: Trials,
    ) {
        if !self.is_in_good_hands(now, ask, avoid) {
            return;
        }
        let noun = ask.noun();
        let is_out = |entry: &Entry| entry.is_on_trial(noun) && entry.flights.of(noun) > 0;
        // Until somebody else was measured nobody knows when a trial is late.
        let may_try = trials == Trials::Single
            && self.trial_forecast(noun).is_some()
            && !self.peers.values().any(is_out);
        candidates.retain(|peer| {
            let entry = &self.peers[peer];
            !entry.is_on_trial(noun) || (may_try && entry.flights.all() == 0)
        });
    }

    /// Whether a peer that answers, and that we chose or that was of use, can be asked for this, be it later.
    fn is_in_good_hands(&self, now: Duration, ask: &Ask, avoid: &[PeerId]) -> bool {
        let company = self.company();
        self.peers.iter().any(|(peer, entry)| {
            !avoid.contains(peer)
                && !entry.is_on_trial(ask.noun())
                && entry.is_asked()
                && entry.timeouts_in_row == 0
                && self.has_it(now, company, entry, ask)
        })
    }

    /// How long a trial may take before it is late: as long as the fastest of the others takes. Nothing, if nobody was measured.
    pub(crate) fn trial_forecast(&self, noun: Noun) -> Option<Duration> {
        let others = self.peers.values().filter(|entry| !entry.is_on_trial(noun));
        let times = others.filter_map(|entry| entry.rates[noun.index()].usual());
        times.min().map(|usual| usual.max(LATE_LEAST))
    }
}
