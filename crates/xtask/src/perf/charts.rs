//! Which charts there are, and what of the records goes into them.

use serde_json::Value;

use crate::{
    house::list,
    perf::{
        bars::{Bar, Bars},
        lines::{Line, Lines},
        records::Records,
    },
};

/// A part of a sync: the threads that do it, and what it takes at least.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Stage {
    pub(crate) label: &'static str,
    /// The threads' names, as the kernel cuts them; none: whatever the others leave.
    threads: &'static [&'static str],
    /// Nanoseconds a leaf of the work that cannot be left out, each measured alone on one core with AVX-512: a frame's MAC,
    /// hashing leaves and branches once, puts into MDBX in rising order.
    pub(crate) limit: f64,
    pub(crate) does: &'static str,
}

const STAGES: [Stage; 4] = [
    Stage {
        label: "network",
        threads: &["snapsync-net"],
        limit: 112.0,
        does: "takes frames: MAC, decryption, inflation, decoding",
    },
    Stage {
        label: "proving",
        threads: &["accounts", "storages"],
        limit: 163.0,
        does: "proves accounts and storages: structure, hashing, comparing",
    },
    Stage {
        label: "state writer",
        threads: &["state-writer"],
        limit: 150.0,
        does: "puts packs of rows and of branches into MDBX, commits",
    },
    Stage {
        label: "the rest",
        threads: &[],
        limit: 73.0,
        does: "decides; codes, blocks, history; the final rebuild",
    },
];

/// Every chart that something was recorded for, and its name.
pub(crate) fn all(records: &Records) -> Vec<(&'static str, String)> {
    let mut charts = Vec::new();
    if let Some(bench) = &records.bench {
        charts.push(("stages", stages_chart(bench).draw()));
        charts.push(("state-size", state_size(bench).draw()));
    }
    if let Some(lines) = &records.lines {
        charts.push(("peers", peers(lines).draw()));
        charts.push(("latency", latency(lines).draw()));
    }
    charts
}

/// The stages of the first run, with the nanoseconds a leaf that each took.
pub(crate) fn stages(bench: &Value) -> Vec<(Stage, f64)> {
    let figures = &bench["runs"][0]["figures"];
    let leaves = figures["leaves"].as_f64().unwrap_or(f64::NAN);
    let of = |stage: &Stage| -> f64 {
        let threads = list(figures, "stages").iter();
        let ours = threads.filter(|thread| {
            let name = thread["threads"].as_str().unwrap_or_default();
            stage.threads.iter().any(|prefix| name.starts_with(prefix))
        });
        ours.filter_map(|thread| thread["cpu_seconds"].as_f64()).sum()
    };
    let named: f64 = STAGES.iter().map(of).sum();
    let rest = figures["cpu_seconds"].as_f64().unwrap_or(f64::NAN) - named;
    let seconds = |stage: &Stage| if stage.threads.is_empty() { rest.max(0.0) } else { of(stage) };
    STAGES.map(|stage| (stage, seconds(&stage) * 1e9 / leaves)).into()
}

fn stages_chart(bench: &Value) -> Bars {
    let bars = stages(bench).into_iter().map(|(stage, value)| Bar {
        label: stage.label.to_owned(),
        value,
        limit: Some(stage.limit),
    });
    Bars {
        title: "CPU time a leaf, by stage, against the limit".to_owned(),
        subtitle: format!("{}; {}", bench["runs"][0]["name"].as_str().unwrap_or_default(), processor(bench)),
        unit: "ns",
        bars: bars.collect(),
    }
}

fn state_size(bench: &Value) -> Lines {
    let number = |run: &Value, name: &str| run["figures"][name].as_f64().unwrap_or(f64::NAN);
    // Runs with the kernel of the first one, and with memory as it comes: what differs is to be the size.
    let kernel = &bench["runs"][0]["figures"]["kernel"];
    let points = |of: &dyn Fn(&Value) -> f64| {
        let runs = list(bench, "runs")
            .iter()
            .filter(|run| run["figures"]["kernel"] == *kernel && run["page_cache"].is_null());
        let mut points: Vec<_> = runs.map(|run| (number(run, "leaves"), of(run) / 1e6)).collect();
        points.sort_by(|one, other| one.0.total_cmp(&other.0));
        points
    };
    let line = |label: &str, points| Line { label: label.to_owned(), points };
    Lines {
        title: "Throughput against the size of the state".to_owned(),
        subtitle: processor(bench),
        x_label: "leaves",
        y_label: "million leaves",
        lines: vec![
            line("a CPU second", points(&|run| number(run, "leaves") / number(run, "cpu_seconds"))),
            line("a second of wall time", points(&|run| number(run, "leaves") / number(run, "seconds"))),
        ],
    }
}

fn peers(lines: &Value) -> Lines {
    let first = &lines["peers"][0];
    Lines {
        title: "Throughput against the number of peers".to_owned(),
        subtitle: format!("each {} ms away; {}", first["round_trip_ms"], processor(lines)),
        x_label: "peers",
        y_label: "million leaves",
        lines: vec![throughput(lines, "peers", "peers")],
    }
}

fn latency(lines: &Value) -> Lines {
    let first = &lines["latency"][0];
    Lines {
        title: "Throughput against latency".to_owned(),
        subtitle: format!("{} peers; {}", first["peers"], processor(lines)),
        x_label: "round trip, milliseconds",
        y_label: "million leaves",
        lines: vec![throughput(lines, "latency", "round_trip_ms")],
    }
}

fn throughput(lines: &Value, name: &str, x: &str) -> Line {
    let points = list(lines, name).iter().map(|point| {
        let number = |name: &str| point["figures"][name].as_f64().unwrap_or(f64::NAN);
        (point[x].as_f64().unwrap_or(f64::NAN), number("leaves") / number("seconds") / 1e6)
    });
    Line { label: "a second of wall time".to_owned(), points: points.collect() }
}

fn processor(record: &Value) -> String {
    let machine = &record["machine"];
    let features: Vec<&str> = list(machine, "features").iter().filter_map(Value::as_str).collect();
    format!("{}, {}", machine["processor"].as_str().unwrap_or_default(), features.join(" "))
}
