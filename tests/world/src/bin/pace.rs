//! `pace`: what a chain that moves costs a sync of a state as large as mainnet's, in virtual time.
//!
//! Without arguments it syncs each course of the table that docs/PERFORMANCE.md shows, else the one that is said. Time is virtual, so that the
//! figures are the same on any machine. What is modelled is said there.

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use snapsync_world::big::{Course, MovingWorld, Passage, Scene, Way};

/// One run: how large the state is, how fast lines and chain are, and how rows are brought on.
#[derive(Clone, Copy, Debug)]
struct Order {
    leaves: u64,
    lines_over: u64,
    block_ms: u64,
    times: u64,
    way: Way,
}

/// Mainnet's.
const LIKE_MAINNET: Order =
    Order { leaves: 1_700_000_000, lines_over: 1, block_ms: 12_000, times: 1, way: Way::Lists };

fn main() -> ExitCode {
    let orders = match ordered(std::env::args().skip(1)) {
        Ok(orders) => orders,
        Err(why) => {
            eprintln!(
                "{why}\nusage: pace [--leaves N] [--lines-over N] [--block-ms N] [--times N] [--way lists|nodes]"
            );
            return ExitCode::from(2);
        }
    };
    for order in orders {
        let started = Instant::now();
        let Order { leaves, lines_over, block_ms, times, way } = order;
        let course = Course::like_mainnet(Duration::from_millis(block_ms), times, way);
        let passage = MovingWorld::new(Scene::of_leaves(1, leaves, lines_over), course).run();
        println!("{order:?}: {}", told(&passage));
        println!("   {:.1} s on this machine", started.elapsed().as_secs_f64());
    }
    ExitCode::SUCCESS
}

/// The runs of the table, or the one that the words say.
fn ordered(mut words: impl Iterator<Item = String>) -> Result<Vec<Order>, String> {
    let (mut order, mut is_one) = (LIKE_MAINNET, false);
    while let Some(word) = words.next() {
        is_one = true;
        let value = words.next().ok_or_else(|| format!("{word} needs a value"))?;
        let number = || value.parse::<u64>().map_err(|why| format!("{word} {value}: {why}"));
        match (word.as_str(), value.as_str()) {
            ("--way", "lists") => order.way = Way::Lists,
            ("--way", "nodes") => order.way = Way::Nodes,
            ("--leaves", _) => order.leaves = number()?,
            ("--lines-over", _) => order.lines_over = number()?.max(1),
            ("--block-ms", _) => order.block_ms = number()?.max(1),
            ("--times", _) => order.times = number()?,
            _ => return Err(format!("unknown argument {word} {value}")),
        }
    }
    if is_one {
        return Ok(vec![order]);
    }
    let paces = [(1, 12_000, 1), (10, 12_000, 1), (1, 1_200, 1), (10, 12_000, 10)];
    let of = |(lines_over, block_ms, times)| Order { lines_over, block_ms, times, ..LIKE_MAINNET };
    Ok(paces.map(of).into_iter().flat_map(|order| [order, Order { way: Way::Nodes, ..order }]).collect())
}

fn told(passage: &Passage) -> String {
    let phases: Vec<String> =
        passage.phases.iter().map(|(phase, took)| format!("{phase:?} {:.1} s", took.as_secs_f64())).collect();
    format!(
        "{} M leaves, {:.0} GB in {:.0} s ({}): {:.1} %; {} blocks, {} moves, {} renewals, {} lists, {} nodes, {} requests, {} MB",
        passage.leaves / 1_000_000,
        passage.state_bytes as f64 / 1e9,
        passage.took.as_secs_f64(),
        phases.join(", "),
        passage.share() * 100.0,
        passage.blocks,
        passage.moves,
        passage.renewals,
        passage.lists,
        passage.nodes,
        passage.requests,
        passage.bytes / 1_000_000
    )
}
