//! Blocks that were taken above a verified state, as lines for people: one a second at most, however fast they come.

use std::time::{Duration, Instant};

use snapsync_driver::TakenBy;

use crate::render::count;

/// A line this often.
const LINE_EVERY: Duration = Duration::from_secs(1);

/// Blocks that were taken and not shown yet.
#[derive(Debug)]
pub(crate) struct Taken {
    since: Counted,
    shown_at: Option<Instant>,
}

/// What is told of blocks together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counted {
    first: u64,
    last: u64,
    blocks: u64,
    by_lists: u64,
    /// Of these, the ones that were brought with others.
    together: u64,
    transactions: usize,
    gas: u64,
    took: Duration,
}

impl Taken {
    /// None yet.
    pub(crate) fn new() -> Self {
        Self { since: Counted::default(), shown_at: None }
    }

    /// A block was taken.
    pub(crate) fn add(
        &mut self,
        number: u64,
        (transactions, gas): (usize, u64),
        by: TakenBy,
        took: Duration,
    ) {
        let since = &mut self.since;
        since.first = if since.blocks == 0 { number } else { since.first.min(number) };
        since.last = number;
        since.blocks += 1;
        since.by_lists += u64::from(by != TakenBy::Execution);
        since.together += u64::from(by == TakenBy::Lists);
        since.transactions += transactions;
        since.gas += gas;
        since.took += took;
    }

    /// The line that is due, if one is.
    pub(crate) fn line(&mut self, at_once: bool) -> Option<String> {
        let is_due = at_once || self.shown_at.is_none_or(|at| at.elapsed() >= LINE_EVERY);
        if self.since.blocks == 0 || !is_due {
            return None;
        }
        self.shown_at = Some(Instant::now());
        Some(std::mem::take(&mut self.since).line())
    }
}

impl Counted {
    fn line(&self) -> String {
        let which = match self.blocks {
            1 => format!("block {}", count(self.last)),
            _ => format!("blocks {} to {}", count(self.first), count(self.last)),
        };
        let mut how = match self.by_lists {
            0 => "executed".to_owned(),
            lists if lists == self.blocks => "brought by access lists".to_owned(),
            lists => format!("executed, but {} brought by access lists", count(lists)),
        };
        if self.together > 0 {
            how += &format!(", {} of them together", count(self.together));
        }
        let megagas = self.gas as f64 / 1e6;
        format!(
            "{which} {how}: {} transactions, {megagas:.2} Mgas in {} ms ({:.1} Mgas/s)",
            count(self.transactions as u64),
            self.took.as_millis(),
            megagas / self.took.as_secs_f64().max(1e-9)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_that_come_fast_are_one_line_and_none_is_left_out() {
        let mut taken = Taken::new();
        assert_eq!(taken.line(true), None, "there is nothing to tell");
        taken.add(7, (2, 500_000), TakenBy::Execution, Duration::from_millis(10));
        let first = taken.line(false);
        assert_eq!(
            first.as_deref(),
            Some("block 7 executed: 2 transactions, 0.50 Mgas in 10 ms (50.0 Mgas/s)")
        );
        taken.add(8, (1_000, 1_000_000), TakenBy::Execution, Duration::from_millis(5));
        taken.add(9, (0, 0), TakenBy::Execution, Duration::from_millis(5));
        let rest = taken.line(true);
        let wanted = "blocks 8 to 9 executed: 1,000 transactions, 1.00 Mgas in 10 ms (100.0 Mgas/s)";
        assert_eq!(rest.as_deref(), Some(wanted));
        assert_eq!(taken.line(true), None);
    }

    #[test]
    fn how_blocks_were_taken_is_told() {
        let mut taken = Taken::new();
        let line = |taken: &mut Taken, ways: &[TakenBy]| {
            for by in ways {
                taken.add(7, (0, 0), *by, Duration::from_millis(10));
            }
            let line = taken.line(true).unwrap_or_default();
            line.split(':').next().map(str::to_owned).unwrap_or_default()
        };
        let (execution, list, lists) = (TakenBy::Execution, TakenBy::List, TakenBy::Lists);
        assert_eq!(line(&mut taken, &[list]), "block 7 brought by access lists");
        let both = "blocks 7 to 7 executed, but 2 brought by access lists";
        assert_eq!(line(&mut taken, &[list, execution, list]), both);
        let together = "blocks 7 to 7 brought by access lists, 2 of them together";
        assert_eq!(line(&mut taken, &[lists, lists, list]), together);
    }
}
