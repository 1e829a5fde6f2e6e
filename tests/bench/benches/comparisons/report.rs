//! The end of a run, from what criterion wrote down: a table for the terminal, and a file from which `cargo xtask perf record`
//! takes it.

use std::{fs, path::Path};

use serde_json::{Value, json};
use snapsync_bench::{Contest, Entry, Machine};

use crate::works::Done;

/// The contests that took place; contenders that a filter left out, and never ran, are not in them.
pub(crate) fn contests(works: &[Done], folder: &Path) -> Vec<Contest> {
    let contest = |work: &Done| {
        let entries = work.contenders.iter().filter_map(|(contender, goal)| {
            let nanoseconds = median(folder, work, contender)? / work.leaves as f64;
            Some(Entry { contender: contender.clone(), nanoseconds, goal: *goal })
        });
        Contest { work: format!("{}, {}", work.group, work.size), entries: entries.collect() }
    };
    works.iter().map(contest).collect()
}

/// Writes the contests beside criterion's own files.
pub(crate) fn write(contests: &[Contest], folder: &Path, machine: &Machine) {
    let contender = |entry: &Entry| {
        let goal = entry.goal.map(|goal| [goal.ethrex, goal.hash_builder]);
        json!({ "who": entry.contender, "nanoseconds": entry.nanoseconds, "goal": goal })
    };
    let work = |contest: &Contest| {
        let contenders: Vec<Value> = contest.entries.iter().map(contender).collect();
        json!({ "work": contest.work, "contenders": contenders })
    };
    let record = json!({
        "machine": { "processor": machine.processor, "cores": machine.cores, "features": machine.features },
        "works": contests.iter().map(work).collect::<Vec<_>>(),
    });
    fs::write(folder.join("comparisons.json"), format!("{record:#}\n")).unwrap();
}

/// The median time of an iteration.
fn median(folder: &Path, work: &Done, contender: &str) -> Option<f64> {
    let place = folder.join(work.group).join(contender).join(&work.size).join("new/estimates.json");
    let estimates: Value = serde_json::from_str(&fs::read_to_string(place).ok()?).ok()?;
    estimates.pointer("/median/point_estimate")?.as_f64()
}
