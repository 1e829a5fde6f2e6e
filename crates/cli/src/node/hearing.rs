//! What is heard of the consensus client: when it spoke last, and that it has fallen silent, is back, or never came. Each is said once.
//!
//! Pure: time is passed in. It says nothing of what was answered.

use std::time::Duration;

/// A client that runs has spoken by then: it begins as soon as the port is open, and again every few seconds.
const FIRST_WITHIN: Duration = Duration::from_secs(60);
/// A client that runs does not keep silent for so long: ten slots of twelve seconds, each with a head.
const SILENCE_MAX: Duration = Duration::from_secs(120);

/// What is heard. See the module's documentation.
#[derive(Debug, Default)]
pub(crate) struct Hearing {
    /// When it spoke last.
    last: Option<Duration>,
    /// The silence that was told of: since when.
    told: Option<Option<Duration>>,
    /// How long the silence was that has ended, if that is to be told.
    ended: Option<Duration>,
}

impl Hearing {
    /// It gave a payload or named a head.
    pub(crate) fn on_call(&mut self, now: Duration) {
        self.last = Some(now);
        if let Some(since) = self.told.take() {
            self.ended = Some(now.saturating_sub(since.unwrap_or_default()));
        }
    }

    /// How long it has said nothing; `None`: it never has said anything.
    pub(crate) fn silence(&self, now: Duration) -> Option<Duration> {
        self.last.map(|last| now.saturating_sub(last))
    }

    /// What is to be told now.
    pub(crate) fn poll(&mut self, now: Duration) -> Option<String> {
        if let Some(silence) = self.ended.take() {
            return Some(format!("the consensus client is heard, after {} s", silence.as_secs()));
        }
        let most = if self.last.is_some() { SILENCE_MAX } else { FIRST_WITHIN };
        if self.told.is_some() || now.saturating_sub(self.last.unwrap_or_default()) < most {
            return None;
        }
        self.told = Some(self.last);
        let seconds = most.as_secs();
        Some(match self.last {
            Some(_) => format!(
                "warning: the consensus client has said nothing for {seconds} s: the head stays where it is until it speaks again"
            ),
            None => format!(
                "warning: no consensus client has given a block or named a head within {seconds} s: is it running, has it peers, does it show the same secret?"
            ),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(hearing: &mut Hearing, seconds: std::ops::Range<u64>) -> Vec<(u64, String)> {
        seconds.filter_map(|at| hearing.poll(Duration::from_secs(at)).map(|line| (at, line))).collect()
    }

    // ROW: F1
    #[test]
    fn a_silence_is_told_once_and_so_is_its_end() {
        let mut hearing = Hearing::default();
        let at = Duration::from_secs;
        hearing.on_call(at(1));
        assert_eq!(told(&mut hearing, 1..121), []);
        hearing.on_call(at(121));
        assert_eq!(hearing.silence(at(131)), Some(at(10)));
        let [(241, line)] = &told(&mut hearing, 122..90_000)[..] else { panic!("once") };
        assert!(line.contains("nothing for 120 s"), "{line}");
        hearing.on_call(at(90_000));
        hearing.on_call(at(90_001));
        let [(90_001, line)] = &told(&mut hearing, 90_001..90_100)[..] else { panic!("once") };
        assert!(line.contains("heard, after 89879 s"), "{line}");
        let [(90_121, _)] = &told(&mut hearing, 90_100..99_999)[..] else {
            panic!("the next silence is told, too")
        };
    }

    #[test]
    fn a_client_that_never_comes_is_asked_for_once() {
        let mut hearing = Hearing::default();
        let [(60, line)] = &told(&mut hearing, 0..9_999)[..] else { panic!("once") };
        assert!(line.contains("the same secret"), "{line}");
        assert_eq!(hearing.silence(Duration::from_secs(9_999)), None);
        hearing.on_call(Duration::from_secs(10_000));
        let [(10_001, line)] = &told(&mut hearing, 10_001..10_100)[..] else { panic!("once") };
        assert!(line.contains("after 10000 s"), "{line}");
    }
}
