//! When peers are told that our chain has moved: once it is a good deal further, or on another branch.
//!
//! It knows no peer, and sends nothing itself.

use snapsync_p2p::LocalChain;
use snapsync_wire::BlockRange;
use tokio::sync::watch;

/// Blocks after which peers hear of it: as geth does, an epoch.
const EVERY_BLOCKS: u64 = 32;

/// What we tell of our chain, and what was told last.
#[derive(Debug)]
pub(crate) struct Announced {
    chain: watch::Receiver<LocalChain>,
    told: BlockRange,
}

impl Announced {
    pub(crate) fn new(mut chain: watch::Receiver<LocalChain>) -> Self {
        let told = chain.borrow_and_update().range;
        Self { chain, told }
    }
}

/// The blocks that we have, once they are to be told again; never, if nothing is announced or nobody announces any more.
pub(crate) async fn next_range(announced: &mut Option<Announced>) -> BlockRange {
    while let Some(Announced { chain, told }) = announced {
        if chain.changed().await.is_err() {
            *announced = None;
            break;
        }
        let range = chain.borrow_and_update().range;
        if is_news(told, &range) {
            *told = range;
            return range;
        }
    }
    std::future::pending().await
}

fn is_news(told: &BlockRange, range: &BlockRange) -> bool {
    range.latest >= told.latest.saturating_add(EVERY_BLOCKS) || range.latest < told.latest
}

#[cfg(test)]
mod tests {
    use alloy_primitives::B256;
    use snapsync_wire::ForkFilter;

    use super::*;

    fn at(latest: u64) -> LocalChain {
        let mut chain = LocalChain::at_genesis(1, ForkFilter::new(B256::ZERO, 0, &[], &[]), 0);
        chain.range =
            BlockRange { earliest: 0, latest, latest_hash: B256::left_padding_from(&latest.to_be_bytes()) };
        chain
    }

    #[tokio::test]
    async fn an_epoch_is_news_and_a_block_is_not() {
        let sender = watch::Sender::new(at(100));
        let mut announced = Some(Announced::new(sender.subscribe()));
        for (latest, told) in
            [(101, None), (131, None), (132, Some(132)), (163, None), (164, Some(164)), (90, Some(90))]
        {
            sender.send_replace(at(latest));
            let range = tokio::select! {
                biased;
                range = next_range(&mut announced) => Some(range.latest),
                () = std::future::ready(()) => None,
            };
            assert_eq!(range, told, "{latest}");
        }
        drop(sender);
        tokio::select! {
            biased;
            range = next_range(&mut announced) => panic!("nobody announces {range:?}"),
            () = std::future::ready(()) => assert!(announced.is_none()),
        }
    }
}
