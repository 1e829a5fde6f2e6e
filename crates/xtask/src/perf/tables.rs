//! The tables of docs/PERFORMANCE.md, from the records.

use std::fmt::Write;

use serde_json::Value;

use crate::{
    house::list,
    perf::{charts, records::Records},
    versus::{figures::Client, table},
};

/// What stands where nothing was recorded.
const NOTHING: &str = "Not recorded yet.";

/// Every table and its name.
pub(crate) fn all(records: &Records) -> Vec<(&'static str, String)> {
    let of = |record: &Option<Value>, table: fn(&Value) -> String| {
        record.as_ref().map_or_else(|| NOTHING.to_owned(), table)
    };
    vec![
        ("comparisons", of(&records.comparisons, comparisons)),
        ("versus-geth", of(&records.versus_geth, versus_geth)),
        ("sync", of(&records.bench, sync)),
        ("stages", of(&records.bench, stages)),
        ("lines", of(&records.lines, lines)),
    ]
}

/// A table in Markdown; its first row is the header.
fn markdown(rows: &[Vec<String>]) -> String {
    let mut text = String::new();
    for (index, row) in rows.iter().enumerate() {
        writeln!(text, "| {} |", row.join(" | ")).ok();
        if index == 0 {
            writeln!(text, "|{}", " --- |".repeat(row.len())).ok();
        }
    }
    text
}

fn row<const N: usize>(cells: [&str; N]) -> Vec<String> {
    cells.map(str::to_owned).into()
}

/// The machine and the compiler of a record, as a sentence.
fn machine(record: &Value) -> String {
    let machine = &record["machine"];
    let features: Vec<&str> = list(machine, "features").iter().filter_map(Value::as_str).collect();
    format!(
        "Machine: {}, {} cores; features: {}; {}.",
        machine["processor"].as_str().unwrap_or("unknown"),
        machine["cores"],
        features.join(", "),
        record["rustc"].as_str().unwrap_or("rustc unknown")
    )
}

/// A row for each kernel of ours, the rivals beside it.
fn comparisons(record: &Value) -> String {
    let header = [
        "work",
        "kernel",
        "ns a leaf",
        "M leaves/s",
        "ethrex-trie",
        "ratio",
        "HashBuilder",
        "ratio",
        "asked",
    ];
    let mut rows = vec![row(header)];
    for work in list(record, "works") {
        let of = |name: &str| {
            let contender = list(work, "contenders").iter().find(|contender| contender["who"] == name);
            contender.and_then(|contender| contender["nanoseconds"].as_f64())
        };
        let (ethrex, hash_builder) = (of(snapsync_bench::ETHREX), of(snapsync_bench::HASH_BUILDER));
        for contender in list(work, "contenders") {
            let Some(kernel) = contender["who"].as_str().and_then(|who| who.strip_prefix("snapsync ")) else {
                continue;
            };
            let Some(ours) = contender["nanoseconds"].as_f64() else { continue };
            let rival = |rival: Option<f64>| rival.map_or_else(String::new, |rival| format!("{rival:.0} ns"));
            let ratio =
                |rival: Option<f64>| rival.map_or_else(String::new, |rival| format!("{:.1}", rival / ours));
            rows.push(vec![
                work["work"].as_str().unwrap_or_default().to_owned(),
                kernel.to_owned(),
                format!("{ours:.0}"),
                format!("{:.2}", 1e3 / ours),
                rival(ethrex),
                ratio(ethrex),
                rival(hash_builder),
                ratio(hash_builder),
                goal(&contender["goal"]),
            ]);
        }
    }
    format!("{}\n{}", markdown(&rows), machine(record))
}

fn goal(goal: &Value) -> String {
    match (goal[0].as_f64(), goal[1].as_f64()) {
        (Some(ethrex), Some(hash_builder)) => format!("{ethrex}, {hash_builder}"),
        _ => String::new(),
    }
}

fn versus_geth(record: &Value) -> String {
    let [geth, snapsync, drain] = Client::ALL.map(Client::name);
    let mut rows = vec![row(["", geth, snapsync, drain])];
    for (what, cells) in table::rows(record) {
        rows.push(std::iter::once(what.to_owned()).chain(cells).collect());
    }
    let mut asked = vec![row(["", "figure", "asked", ""])];
    for figure in table::asked(record) {
        let verdict = if figure.is_met() { "met" } else { "**not met**" };
        asked.push(row([figure.what, &figure.figure(), &figure.bound(), verdict]));
    }
    format!(
        "Figures are {} of the `{}` chain, served by geth {}.\n\n{}\n{}\n{}",
        table::basis(record),
        record["chain"].as_str().unwrap_or_default(),
        record["geth_version"].as_str().unwrap_or_default(),
        markdown(&rows),
        markdown(&asked),
        machine(record)
    )
}

/// How a figure of a run is shown.
type Show<'a> = &'a dyn Fn(&Value) -> String;

/// Whole syncs, a column each.
fn sync(record: &Value) -> String {
    let mut runs: Vec<&Value> = list(record, "runs").iter().collect();
    runs.sort_by_key(|run| run["figures"]["leaves"].as_u64());
    let number = |run: &Value, name: &str| run["figures"][name].as_f64().unwrap_or(f64::NAN);
    let mib = |bytes: f64| format!("{:.0} MiB", bytes / f64::from(1 << 20));
    let lines: [(&str, Show<'_>); 9] = [
        ("leaves fetched", &|run| format!("{:.2} M", number(run, "leaves") / 1e6)),
        ("wall time", &|run| format!("{:.2} s", number(run, "seconds"))),
        ("CPU of the client", &|run| format!("{:.2} s", number(run, "cpu_seconds"))),
        ("CPU a leaf", &|run| format!("{:.2} us", number(run, "cpu_microseconds_per_leaf"))),
        ("leaves a CPU second", &|run| format!("{:.2} M", 1.0 / number(run, "cpu_microseconds_per_leaf"))),
        ("CPU of the server a leaf", &|run| {
            format!("{:.2} us", number(run, "server_cpu_microseconds_per_leaf"))
        }),
        ("answers, inflated", &|run| format!("{:.0} MB", number(run, "answer_bytes") / 1e6)),
        ("peak resident", &|run| mib(number(run, "peak_rss_bytes"))),
        ("of that anonymous", &|run| mib(number(run, "peak_anonymous_bytes"))),
    ];
    let names = runs.iter().map(|run| run["name"].as_str().unwrap_or_default().to_owned());
    let mut rows = vec![std::iter::once(String::new()).chain(names).collect::<Vec<_>>()];
    for (what, show) in lines {
        rows.push(std::iter::once(what.to_owned()).chain(runs.iter().map(|run| show(run))).collect());
    }
    format!("{}\n{}", markdown(&rows), machine(record))
}

/// Where the time of the first run went, beside what each part takes when it is measured alone.
fn stages(record: &Value) -> String {
    let mut rows = vec![row(["stage", "ns a leaf", "limit", "what it does"])];
    let mut sum = (0.0, 0.0);
    for (stage, value) in charts::stages(record) {
        sum = (sum.0 + value, sum.1 + stage.limit);
        let (value, limit) = (format!("{value:.0}"), format!("{:.0}", stage.limit));
        rows.push(row([stage.label, &value, &limit, stage.does]));
    }
    rows.push(row(["all", &format!("{:.0}", sum.0), &format!("{:.0}", sum.1), ""]));
    markdown(&rows)
}

/// How fast a sync is over different lines.
fn lines(record: &Value) -> String {
    let header = ["peers", "round trip", "wall time", "leaves a second", "answers", "CPU a leaf"];
    let mut rows = vec![row(header)];
    for point in ["peers", "latency"].into_iter().flat_map(|name| list(record, name)) {
        let number = |name: &str| point["figures"][name].as_f64().unwrap_or(f64::NAN);
        let seconds = number("seconds");
        rows.push(vec![
            point["peers"].to_string(),
            format!("{} ms", point["round_trip_ms"]),
            format!("{seconds:.2} s"),
            format!("{:.2} M", number("leaves") / seconds / 1e6),
            format!("{:.0} MB/s", number("answer_bytes") / seconds / 1e6),
            format!("{:.2} us", number("cpu_microseconds_per_leaf")),
        ]);
    }
    // The charts stand here and not on the page: without a record there are none.
    format!(
        "{}\n{}\n\n![Throughput against the number of peers](perf/peers.svg)\n\n\
         ![Throughput against latency](perf/latency.svg)",
        markdown(&rows),
        machine(record)
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A small record of each kind but one.
    fn records() -> Records {
        let machine = json!({ "processor": "abacus", "cores": 2, "features": ["beads"] });
        let contender = |who: &str, nanoseconds: f64, goal: Value| json!({ "who": who, "nanoseconds": nanoseconds, "goal": goal });
        let contenders = [
            contender("snapsync avx2", 200.0, json!([5.0, 2.5])),
            contender("ethrex-trie", 1000.0, Value::Null),
            contender("HashBuilder", 600.0, Value::Null),
        ];
        let figures = |leaves: f64| {
            json!({
                "leaves": leaves, "seconds": 2.0, "cpu_seconds": leaves / 1e6, "cpu_microseconds_per_leaf": 1.0,
                "answer_bytes": 4e6, "peak_rss_bytes": 2 << 20, "peak_anonymous_bytes": 1 << 20,
                "stages": [{ "threads": "state-writer", "cpu_seconds": 0.25 }, { "threads": "accounts", "cpu_seconds": 0.5 }],
            })
        };
        let line =
            |peers: u64, ms: u64| json!({ "peers": peers, "round_trip_ms": ms, "figures": figures(1e6) });
        Records {
            comparisons: Some(json!({
                "machine": machine, "rustc": "rustc 1",
                "works": [{ "work": "root", "leaves": 10, "contenders": contenders }],
            })),
            versus_geth: None,
            bench: Some(json!({ "machine": machine, "rustc": "rustc 1", "runs": [
                { "name": "small", "figures": figures(1e6) }, { "name": "large", "figures": figures(4e6) },
            ]})),
            lines: Some(json!({
                "machine": machine, "rustc": "rustc 1",
                "peers": [line(1, 50), line(8, 50)], "latency": [line(4, 20), line(4, 300)],
            })),
        }
    }

    #[test]
    fn tables_of_a_small_record_are_known() {
        let tables = all(&records());
        let table = |name: &str| tables.iter().find(|table| table.0 == name).unwrap().1.clone();
        let golden = "\
            | work | kernel | ns a leaf | M leaves/s | ethrex-trie | ratio | HashBuilder | ratio | asked |\n\
            | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n\
            | root | avx2 | 200 | 5.00 | 1000 ns | 5.0 | 600 ns | 3.0 | 5, 2.5 |\n\n\
            Machine: abacus, 2 cores; features: beads; rustc 1.";
        assert_eq!(table("comparisons"), golden);
        assert_eq!(table("versus-geth"), NOTHING);
        assert!(table("sync").contains("| wall time | 2.00 s | 2.00 s |\n"), "{}", table("sync"));
        assert!(table("stages").contains("| state writer | 250 |"), "{}", table("stages"));
        let line = "| 8 | 50 ms | 2.00 s | 0.50 M | 2 MB/s | 1.00 us |\n";
        assert!(table("lines").contains(line), "{}", table("lines"));
    }

    #[test]
    fn charts_of_a_small_record_are_whole_drawings() {
        let charts = charts::all(&records());
        let names: Vec<&str> = charts.iter().map(|chart| chart.0).collect();
        assert_eq!(names, ["stages", "state-size", "peers", "latency"]);
        for (name, text) in charts {
            assert!(text.starts_with("<svg ") && text.ends_with("</svg>\n"), "{name}");
            assert!(!text.contains("NaN") && !text.contains("inf"), "{name}: {text}");
        }
    }
}
