//! Blocks are given to a client and named, one after the other, and each must be called valid: how long that takes.
//!
//! The clock runs from the first byte of a request to the last of its answer. Requests are written down beforehand.

use std::{
    path::Path,
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use snapsync_e2e::{
    cache::Tools,
    cost,
    datadir::Datadir,
    geth::{Geth, Settings},
    payload::PayloadCall,
};

use crate::{
    error::Error,
    versus::{
        import::made::MadeChain,
        node::{
            driven::{Driven, Said},
            spread::percentile,
        },
    },
};

/// The chain's id, which is the network's too.
pub(super) fn network_id(genesis: &Path) -> Result<u64, Error> {
    let text = std::fs::read_to_string(genesis).map_err(Error::io("read", genesis))?;
    let genesis: Value = serde_json::from_str(&text).map_err(|_| Error::Output("load make"))?;
    genesis["config"]["chainId"].as_u64().ok_or(Error::Output("load make"))
}

/// The blocks of a chain in a file, as a consensus client gives them: a geth executes them first, and tells them.
pub(super) fn of_chain(tools: &Tools, chain: &MadeChain, place: &Path) -> Result<Vec<PayloadCall>, Error> {
    let datadir = Datadir::init(tools, place.join("teller"), &chain.genesis)?;
    datadir.import(tools, &chain.file)?;
    let geth = Geth::start(tools, datadir, &Settings::serving(network_id(&chain.genesis)?))?;
    Ok(PayloadCall::of_blocks(&geth, 1, chain.blocks)?)
}

/// Between two blocks.
#[derive(Clone, Copy, Debug)]
pub(super) enum Pace {
    /// Nothing.
    AtOnce,
    /// So long from one to the next.
    Every(Duration),
}

/// What a client took.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Turn {
    /// From each payload to its answer.
    payload_ms: Vec<f64>,
    /// From each payload to the answer to the head, which is the block.
    both_ms: Vec<f64>,
    /// Of all its threads.
    cpu_seconds: f64,
}

impl Turn {
    /// Gives and names these blocks.
    pub(super) fn take(client: &mut Driven, calls: &[PayloadCall], pace: Pace) -> Result<Self, Error> {
        let requests: Vec<_> = calls.iter().map(|call| [call.new_payload(), call.forkchoice()]).collect();
        let mut turn = Self::default();
        let cpu_before = cost::cpu_seconds(client.id());
        let mut due = Instant::now();
        for (call, [payload, head]) in calls.iter().zip(&requests) {
            wait(pace, &mut due);
            let began = Instant::now();
            let given = client.post(payload)?;
            let payload_took = began.elapsed();
            let named = client.post(head)?;
            let both_took = began.elapsed();
            for reply in [given, named] {
                if Said::of(&reply) != Said::Valid {
                    let what = format!("block {}", call.number);
                    return Err(Error::Unexpected { what, answer: reply.body });
                }
            }
            turn.payload_ms.push(payload_took.as_secs_f64() * 1e3);
            turn.both_ms.push(both_took.as_secs_f64() * 1e3);
        }
        turn.cpu_seconds = cost::cpu_seconds(client.id()) - cpu_before;
        Ok(turn)
    }

    /// Its figures.
    pub(super) fn record(&self) -> Value {
        json!({
            "blocks": self.payload_ms.len(),
            "payload_p50_ms": percentile(&self.payload_ms, 50),
            "payload_p99_ms": percentile(&self.payload_ms, 99),
            "both_p50_ms": percentile(&self.both_ms, 50),
            "both_p99_ms": percentile(&self.both_ms, 99),
            "cpu_seconds": self.cpu_seconds,
        })
    }
}

/// Until the next block is due. What comes late is not made up for.
fn wait(pace: Pace, due: &mut Instant) {
    let Pace::Every(interval) = pace else { return };
    thread::sleep(due.saturating_duration_since(Instant::now()));
    *due = (*due + interval).max(Instant::now());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_a_turn_are_its_percentiles() {
        let turn = Turn { payload_ms: vec![3.0, 1.0, 2.0], both_ms: vec![9.0, 8.0, 7.0], cpu_seconds: 0.5 };
        let record = turn.record();
        assert_eq!((&record["payload_p50_ms"], &record["both_p99_ms"]), (&json!(2.0), &json!(9.0)));
        assert_eq!((&record["blocks"], &record["cpu_seconds"]), (&json!(3), &json!(0.5)));
    }
}
