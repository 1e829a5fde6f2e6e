//! The table of a comparison, from its record: a line a chain, medians over the runs, and how often geth takes as much.

use std::fmt::Write;

use serde_json::Value;

use crate::versus::table::median_of;

/// Its head, as documents have it.
const HEAD: &str = "\
| chain | CPU s: geth | snapsync | ratio | wall s: geth | snapsync | ratio | Mgas/s: geth | snapsync | peak MiB: geth | snapsync |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |
";

/// The table for a terminal, and for a document.
pub(super) fn render(record: &Value) -> String {
    let mut text = HEAD.to_owned();
    for chain in record["chains"].as_array().map_or(&[][..], Vec::as_slice) {
        line(&mut text, chain);
    }
    text
}

fn line(text: &mut String, chain: &Value) {
    let made = &chain["made"];
    let gas = made["gas"].as_f64().unwrap_or(f64::NAN) / 1e6;
    let both = |name: &str| ["geth", "snapsync"].map(|client| median_of(&chain[client], name));
    let ([geth_cpu, our_cpu], [geth_wall, our_wall]) = (both("cpu_seconds"), both("wall_seconds"));
    let [geth_peak, our_peak] = both("peak_rss_bytes").map(|bytes| bytes / 1_048_576.0);
    let load = made["load"].as_str().unwrap_or_default();
    // Nothing to report: writing into a string does not fail.
    writeln!(
        text,
        "| `{load}`: {} blocks, {gas:.0} Mgas | {geth_cpu:.2} | {our_cpu:.2} | {:.1} | {geth_wall:.2} | {our_wall:.2} | {:.1} \
         | {:.0} | {:.0} | {geth_peak:.0} | {our_peak:.0} |",
        made["blocks"],
        geth_cpu / our_cpu,
        geth_wall / our_wall,
        gas / geth_wall,
        gas / our_wall,
    )
    .ok();
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::render;

    #[test]
    fn a_line_has_medians_and_their_ratios() {
        let run = |cpu: f64, wall: f64| json!({ "cpu_seconds": cpu, "wall_seconds": wall, "peak_rss_bytes": 3 << 20 });
        let record = json!({ "chains": [{
            "made": { "load": "tokens", "blocks": 30, "gas": 400_000_000 },
            "geth": [run(9.0, 4.0), run(8.0, 2.0), run(7.0, 8.0)],
            "snapsync": [run(2.0, 1.0), run(2.0, 1.0), run(5.0, 9.0)],
        }] });
        let line =
            "| `tokens`: 30 blocks, 400 Mgas | 8.00 | 2.00 | 4.0 | 4.00 | 1.00 | 4.0 | 100 | 400 | 3 | 3 |";
        assert_eq!(render(&record).lines().last(), Some(line));
    }
}
