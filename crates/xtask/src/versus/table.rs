//! The table of a comparison, from its record: medians over the runs, ratios, and what is asked of them.

use std::fmt::Write;

use serde_json::Value;

use crate::versus::figures::Client;

/// What is asked of a ratio or of a size.
#[derive(Clone, Copy, Debug)]
enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

/// A figure that something is asked of.
pub(crate) struct Asked {
    /// What it is.
    pub(crate) what: &'static str,
    /// The figure.
    pub(crate) is: f64,
    bound: Bound,
    unit: &'static str,
}

impl Asked {
    /// Whether it is as asked.
    pub(crate) fn is_met(&self) -> bool {
        match self.bound {
            Bound::AtLeast(least) => self.is >= least,
            Bound::AtMost(most) => self.is <= most,
        }
    }

    /// What is asked, in words.
    pub(crate) fn bound(&self) -> String {
        let (word, value) = match self.bound {
            Bound::AtLeast(least) => ("at least", least),
            Bound::AtMost(most) => ("at most", most),
        };
        format!("{word} {value}{}", self.unit)
    }

    /// The figure with its unit.
    pub(crate) fn figure(&self) -> String {
        format!("{:.*}{}", if self.unit == " MiB" { 0 } else { 2 }, self.is, self.unit)
    }
}

/// The median of a client's figure over the runs.
pub(crate) fn median(record: &Value, client: Client, name: &str) -> f64 {
    median_of(&record["clients"][client.name()], name)
}

/// The middle one of a figure over the runs, or what lies between the two in the middle.
pub(super) fn median_of(runs: &Value, name: &str) -> f64 {
    let runs = runs.as_array().map_or(&[][..], Vec::as_slice);
    let mut figures: Vec<f64> = runs.iter().filter_map(|run| run[name].as_f64()).collect();
    figures.sort_by(f64::total_cmp);
    match figures.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => figures[odd / 2],
        even => (figures[even / 2 - 1] + figures[even / 2]) / 2.0,
    }
}

/// The rows of the table: what, and each client's figure.
pub(crate) fn rows(record: &Value) -> Vec<(&'static str, [String; 3])> {
    let leaves = record["leaves"].as_f64().unwrap_or(f64::NAN);
    let each = |show: &dyn Fn(Client) -> String| Client::ALL.map(show);
    let of = |name: &'static str| move |client| median(record, client, name);
    let (wall, cpu, server) = (of("wall_seconds"), of("cpu_seconds"), of("server_cpu_seconds"));
    let cores = record["machine"]["cores"].as_f64().unwrap_or(f64::NAN);
    let busy = |client| 100.0 * (cpu(client) + server(client)) / (wall(client) * cores);
    let (rss, anonymous, wire) = (of("peak_rss_bytes"), of("peak_anonymous_bytes"), of("wire_bytes"));
    let mib = |bytes: f64| format!("{:.0} MiB", bytes / f64::from(1 << 20));
    vec![
        ("wall", each(&|client| format!("{:.2} s", wall(client)))),
        ("CPU of the client", each(&|client| format!("{:.2} s", cpu(client)))),
        ("CPU a leaf", each(&|client| format!("{:.2} us", cpu(client) * 1e6 / leaves))),
        ("leaves a CPU second", each(&|client| format!("{:.2} M", leaves / cpu(client) / 1e6))),
        ("CPU of the server", each(&|client| format!("{:.2} s", server(client)))),
        ("processors busy", each(&|client| format!("{:.0} %", busy(client)))),
        ("peak resident", each(&|client| mib(rss(client)))),
        ("of that anonymous", each(&|client| mib(anonymous(client)))),
        ("bytes from the wire", each(&|client| format!("{:.1} MB", wire(client) / 1e6))),
    ]
}

/// What is asked of us, and what came of it.
pub(crate) fn asked(record: &Value) -> Vec<Asked> {
    let ratio =
        |name: &str, above: Client, below: Client| median(record, above, name) / median(record, below, name);
    let times = |what, is, bound| Asked { what, is, bound, unit: " x" };
    vec![
        times(
            "CPU of geth to ours",
            ratio("cpu_seconds", Client::Geth, Client::Snapsync),
            Bound::AtLeast(10.0),
        ),
        times(
            "wall of geth to ours",
            ratio("wall_seconds", Client::Geth, Client::Snapsync),
            Bound::AtLeast(2.5),
        ),
        times(
            "our wall to drain-only",
            ratio("wall_seconds", Client::Snapsync, Client::Drain),
            Bound::AtMost(1.2),
        ),
        Asked {
            what: "our peak of anonymous memory",
            is: median(record, Client::Snapsync, "peak_anonymous_bytes") / f64::from(1 << 20),
            bound: Bound::AtMost(256.0),
            unit: " MiB",
        },
    ]
}

/// How often was measured, and over what.
pub(crate) fn basis(record: &Value) -> String {
    let times = match record["runs"].as_u64() {
        Some(1) => "one run".to_owned(),
        runs => format!("medians of {} runs", runs.unwrap_or_default()),
    };
    format!("{times} over {:.2} M leaves", record["leaves"].as_f64().unwrap_or(f64::NAN) / 1e6)
}

/// The table for a terminal.
pub(crate) fn render(record: &Value) -> String {
    let [geth, snapsync, drain] = Client::ALL.map(Client::name);
    let mut text = String::new();
    writeln!(text, "{:<22}{geth:>14}{snapsync:>14}{drain:>14}", "").ok();
    for (what, cells) in rows(record) {
        let [geth, snapsync, drain] = cells;
        writeln!(text, "{what:<22}{geth:>14}{snapsync:>14}{drain:>14}").ok();
    }
    for asked in asked(record) {
        let verdict = if asked.is_met() { "met" } else { "NOT MET" };
        writeln!(text, "{:<30}{:>10}  (asked: {})  {verdict}", asked.what, asked.figure(), asked.bound())
            .ok();
    }
    let words = record["machine"]["features"].as_array().map_or(&[][..], Vec::as_slice);
    let features: Vec<&str> = words.iter().filter_map(Value::as_str).collect();
    writeln!(
        text,
        "{}; {}, {} cores, {}",
        basis(record),
        record["machine"]["processor"].as_str().unwrap_or_default(),
        record["machine"]["cores"],
        features.join(" ")
    )
    .ok();
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn run(wall: f64, cpu: f64) -> Value {
        json!({ "wall_seconds": wall, "cpu_seconds": cpu, "peak_anonymous_bytes": 300 << 20 })
    }

    #[test]
    fn ratios_are_those_of_medians() {
        let record = json!({ "leaves": 1_000_000, "runs": 3, "clients": {
            "geth": [run(20.0, 20.0), run(30.0, 21.0), run(10.0, 22.0)],
            "snapsync": [run(4.0, 2.0), run(5.0, 2.0), run(6.0, 2.0)],
            "drain-only": [run(5.0, 1.0), run(5.0, 1.0), run(5.0, 1.0)],
        }});
        let found: Vec<_> = asked(&record).iter().map(|asked| (asked.figure(), asked.is_met())).collect();
        let expected = [("10.50 x", true), ("4.00 x", true), ("1.00 x", true), ("300 MiB", false)];
        assert_eq!(found, expected.map(|(figure, is_met)| (figure.to_owned(), is_met)));
        let text = render(&record);
        assert!(text.contains("NOT MET") && text.contains("2.00 us"), "{text}");
    }

    #[test]
    fn median_of_an_even_number_lies_between() {
        let record = json!({ "clients": { "geth": [run(1.0, 0.0), run(4.0, 0.0)] } });
        assert_eq!(median(&record, Client::Geth, "wall_seconds"), 2.5);
    }
}
