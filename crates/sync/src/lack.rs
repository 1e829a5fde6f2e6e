//! The parts of history that no peer has, in words: a list that stays short however many they are.
//!
//! It trusts the planners for what is missing. It decides nothing: what nobody has is asked for again by whoever has reason to.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{BlockGaps, BlockRange, Missing};

/// Spans that are named; the rest is counted. 16 lines are as much as a person reads.
const SPANS_MAX: usize = 16;

/// How often what nobody has is asked for again once the state is complete: else peers that come and go would keep a sync
/// from ending.
const REOPENINGS_MAX: u32 = 8;

/// What no peer has of history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lack {
    /// The first spans: headers, then bodies, then receipts, each rising.
    pub spans: Vec<Missing>,
    /// How many more spans there are.
    pub more: u64,
    /// How many headers, bodies and blocks' receipts these are together.
    pub count: u64,
}

impl Lack {
    /// What is lacking, of each kind.
    pub(crate) fn new(headers: Option<BlockRange>, bodies: &BlockGaps, receipts: &BlockGaps) -> Self {
        let count = headers.map_or(0, |blocks| blocks.count()) + bodies.count() + receipts.count();
        let headers = headers.map(|blocks| Missing::Headers { blocks });
        let bodies = bodies.iter().map(|blocks| Missing::Bodies { blocks });
        let receipts = receipts.iter().map(|blocks| Missing::Receipts { blocks });
        let mut all = headers.into_iter().chain(bodies).chain(receipts);
        let spans = all.by_ref().take(SPANS_MAX).collect();
        Self { spans, more: all.count() as u64, count }
    }
}

/// What was told of it, and how often it was asked for anew.
#[derive(Debug, Default)]
pub(crate) struct Lacking {
    told: u64,
    reopenings: u32,
}

impl Lacking {
    /// Whether this is to be told: it is the first, or twice as much as was told last.
    pub(crate) fn is_news(&mut self, lack: &Lack) -> bool {
        let is_news = lack.count > 0 && lack.count >= self.told.saturating_mul(2);
        if is_news {
            self.told = lack.count;
        }
        is_news
    }

    /// Whether what nobody had may be asked for again. As long as the state is not complete nothing waits for that.
    pub(crate) fn may_reopen(&mut self, is_state_complete: bool) -> bool {
        self.reopenings += u32::from(is_state_complete);
        self.reopenings <= REOPENINGS_MAX
    }
}

impl fmt::Display for Lack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, span) in self.spans.iter().enumerate() {
            let comma = if at == 0 { "" } else { ", " };
            write!(f, "{comma}{span}")?;
        }
        match self.more {
            0 => Ok(()),
            1 => f.write_str(" and one more span"),
            more => write!(f, " and {more} more spans"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gaps(spans: impl IntoIterator<Item = (u64, u64)>) -> BlockGaps {
        BlockGaps::new(spans.into_iter().map(|(first, last)| BlockRange { first, last }))
    }

    #[test]
    fn what_is_lacking_is_named_by_its_kind() {
        let lack = Lack::new(
            Some(BlockRange { first: 1, last: 3 }),
            &gaps([(5, 5), (7, 9)]),
            &gaps([(5, 5), (7, 9)]),
        );
        let text = "headers of blocks 1 to 3, body of block 5, bodies of blocks 7 to 9, receipts of block 5, \
                    receipts of blocks 7 to 9";
        assert_eq!(lack.to_string(), text);
    }

    #[test]
    fn however_many_spans_there_are_few_are_named() {
        let lack = Lack::new(None, &gaps((0..40).map(|at| (3 * at, 3 * at))), &gaps([(1, 1)]));
        assert_eq!((lack.spans.len(), lack.more), (SPANS_MAX, 41 - SPANS_MAX as u64));
        assert!(lack.to_string().ends_with("body of block 45 and 25 more spans"), "{lack}");
    }
}
