//! `seeds`: many stories in a row, or one that is read aloud.
//!
//! `seeds --count N [--first S]` tells N stories on all cores and prints how often each kind of the zoo was asked and each
//! fault raised; a breach or a zero fails. `seeds --seed N` (or `SIM_SEED=N`) tells one story line by line.

use std::{
    process::ExitCode,
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::Instant,
};

use snapsync_world::{Breach, Echo, Story, Tallies, Told, World};

fn main() -> ExitCode {
    match Order::parse(std::env::args().skip(1), std::env::var("SIM_SEED").ok()) {
        Ok(Order::One { seed }) => one(seed),
        Ok(Order::Many { first, count }) => many(first, count),
        Err(why) => {
            eprintln!("{why}\nusage: seeds [--count N] [--first SEED] | --seed N");
            ExitCode::from(2)
        }
    }
}

/// What was asked for on the command line.
enum Order {
    One { seed: u64 },
    Many { first: u64, count: u64 },
}

impl Order {
    fn parse(mut args: impl Iterator<Item = String>, sim_seed: Option<String>) -> Result<Self, String> {
        let number = |name: &str, text: Option<String>| {
            let text = text.ok_or_else(|| format!("{name} needs a number"))?;
            text.parse::<u64>().map_err(|why| format!("{name} {text}: {why}"))
        };
        let (mut first, mut count, mut one) = (0, 500, None);
        if sim_seed.is_some() {
            one = Some(number("SIM_SEED", sim_seed)?);
        }
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--seed" => one = Some(number("--seed", args.next())?),
                "--count" => count = number("--count", args.next())?,
                "--first" => first = number("--first", args.next())?,
                other => return Err(format!("unknown argument {other}")),
            }
        }
        Ok(one.map_or(Self::Many { first, count }, |seed| Self::One { seed }))
    }
}

fn one(seed: u64) -> ExitCode {
    let story = Story::draw(seed);
    println!("{story:#?}");
    match World::new(story, Echo::Stdout, None).run() {
        Ok(told) => {
            println!("{told:#?}");
            println!(
                "seed {seed}: trace {:016x}, {:.1} virtual seconds",
                told.trace,
                told.took.as_secs_f64()
            );
            ExitCode::SUCCESS
        }
        Err(breach) => {
            println!("BREACH {breach}");
            ExitCode::FAILURE
        }
    }
}

fn many(first: u64, count: u64) -> ExitCode {
    let started = Instant::now();
    let results = tell_all(first, count);
    let mut tallies = Tallies::default();
    let mut breaches: Vec<&Breach> = Vec::new();
    let mut virtual_seconds = 0.0;
    for result in &results {
        match result {
            Ok(told) => {
                tallies.add(&told.tallies);
                virtual_seconds += told.took.as_secs_f64();
            }
            Err(breach) => breaches.push(breach),
        }
    }
    println!("asked, by kind of peer:");
    for (kind, asked) in &tallies.asked {
        println!("  {:34} {asked:>10}", kind.name());
    }
    println!("raised, by fault:");
    for (fault, raised) in &tallies.faults {
        println!("  {fault:34} {raised:>10}");
    }
    println!(
        "access lists: {} brought to rows, {} of left blocks taken off, {} walks gave way to them, {} storages owed their root, {} of them lacked slots; they went no further for {:?}",
        tallies.lists,
        tallies.retreats,
        tallies.healings_left,
        tallies.owed,
        tallies.owed_cut,
        tallies.no_lists
    );
    println!(
        "{count} seeds, {} steps, {} rows, {} crashes, {} moves of the pivot, {} renewals, {} storages that changed half way, {} and {} answers that healed accounts and storages, {} answers and {} provers waited, {} parts and {} blocks of them, {} blocks beside the chain that went, \
         {:.1} virtual hours in {:.1} s",
        tallies.steps,
        tallies.rows,
        tallies.crashes,
        tallies.moves,
        tallies.renewals,
        tallies.parts_outdated,
        tallies.healed_accounts,
        tallies.healed_storages,
        tallies.answers_waited,
        tallies.provers_waited,
        tallies.parts,
        tallies.parts_joined,
        tallies.forks_pruned,
        virtual_seconds / 3600.0,
        started.elapsed().as_secs_f64()
    );
    for breach in &breaches {
        println!("BREACH {breach}");
    }
    let zeros = tallies.zeros();
    for zero in &zeros {
        println!("ZERO {zero} was never met");
    }
    if breaches.is_empty() && zeros.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Tells the stories on all cores; results in the order of their seeds.
fn tell_all(first: u64, count: u64) -> Vec<Result<Told, Breach>> {
    let next = AtomicU64::new(0);
    let cores = thread::available_parallelism().map_or(1, |cores| cores.get());
    let mut results: Vec<(u64, Result<Told, Breach>)> = thread::scope(|scope| {
        let workers: Vec<_> = (0..cores)
            .map(|_| {
                scope.spawn(|| {
                    let mut told = Vec::new();
                    loop {
                        let nth = next.fetch_add(1, Ordering::Relaxed);
                        if nth >= count {
                            return told;
                        }
                        let story = Story::draw(first + nth);
                        told.push((nth, World::new(story, Echo::Nowhere, None).run()));
                    }
                })
            })
            .collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("a story panicked")).collect()
    });
    results.sort_by_key(|(nth, _)| *nth);
    results.into_iter().map(|(_, result)| result).collect()
}
