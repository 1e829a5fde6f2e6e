//! A host of snapsync in one screen: start, name a head, watch, stop.

use futures::StreamExt;
use snapsync_driver::{Chain, Config, Error, Event, Forkchoice, SnapSync};

/// Syncs to the head that a consensus client named, and says what happens.
async fn host(chain: Chain, head: alloy_primitives::B256, peer: &str) -> Result<(), Error> {
    let config = Config::standing(chain, "data".into(), vec![peer.parse()?]);
    let sync = SnapSync::start(config)?;
    let mut events = sync.events();
    sync.forkchoice_updated(Forkchoice::head(head))?;
    while let Some(event) = events.next().await {
        match event {
            Event::Complete(target) => {
                println!("block {} is complete: state root {}", target.number, target.root);
                break;
            }
            other => println!("{other:?} at {:.1} %", sync.progress().share * 100.0),
        }
    }
    sync.shutdown().await
}

fn main() {
    // A real host has these from its own configuration and its consensus client.
    let _ = host;
}
