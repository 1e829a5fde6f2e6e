//! The tables of a comparison, from its record: medians over the runs, ratios, and what is asked of them.

use std::fmt::Write;

use serde_json::Value;

use crate::versus::table::median_of;

/// All of them, for a terminal and for a document.
pub(super) fn render(record: &Value) -> String {
    let mut text = String::new();
    payloads(&mut text, record);
    bad_calls(&mut text, record);
    heads(&mut text, record);
    text
}

fn payloads(text: &mut String, record: &Value) {
    let Some(runs) = record.get("payloads") else { return };
    text.push_str("| answer | geth | snapsync | ratio | asked |\n| --- | --- | --- | --- | --- |\n");
    for (what, name, asked) in [
        ("`newPayload`, p50", "payload_p50_ms", Some(0.5)),
        ("`newPayload`, p99", "payload_p99_ms", Some(0.5)),
        ("with `forkchoiceUpdated`, p50", "both_p50_ms", Some(0.5)),
        ("with `forkchoiceUpdated`, p99", "both_p99_ms", Some(0.5)),
    ] {
        let [geth, ours] = ["geth", "snapsync"].map(|client| median_of(&runs[client], name));
        line(text, what, [geth, ours], " ms", asked);
    }
    let [geth, ours] = ["geth", "snapsync"].map(|client| median_of(&runs[client], "cpu_seconds"));
    line(text, "CPU of the client", [geth, ours], " s", None);
    text.push('\n');
}

fn bad_calls(text: &mut String, record: &Value) {
    let Some(runs) = record.get("bad_calls") else { return };
    text.push_str(
        "| answer of ours | alone | beside bad calls | ratio | asked |\n| --- | --- | --- | --- | --- |\n",
    );
    for (what, name) in [
        ("`newPayload`, p50", "payload_p50_ms"),
        ("`newPayload`, p99", "payload_p99_ms"),
        ("with `forkchoiceUpdated`, p50", "both_p50_ms"),
        ("with `forkchoiceUpdated`, p99", "both_p99_ms"),
    ] {
        let [alone, beside] = ["alone", "beside"].map(|turn| median_of(&runs[turn], name));
        line(text, what, [alone, beside], " ms", Some(1.2));
    }
    text.push('\n');
}

fn heads(text: &mut String, record: &Value) {
    let Some(runs) = record.get("heads") else { return };
    text.push_str(
        "| from .. to the first VALID | geth | snapsync | ratio | asked |\n| --- | --- | --- | --- | --- |\n",
    );
    let [geth, ours] = ["geth", "snapsync"].map(|client| median_of(&runs[client], "first_valid_seconds"));
    line(text, "the start in an empty directory", [geth, ours], " s", Some(0.4));
    for (what, name, most) in [
        ("the end of the download", "since_download_seconds", 5.0),
        ("a start after SIGTERM", "after_stop_seconds", 3.0),
        ("a start after SIGKILL", "after_kill_seconds", 3.0),
    ] {
        let ours = median_of(&runs["snapsync"], name);
        // Nothing to report: writing into a string does not fail.
        writeln!(text, "| {what} | | {ours:.2} s | | below {most} s{} |", verdict(ours < most)).ok();
    }
    text.push('\n');
}

/// Two figures, how many times the first the second is, and how often it may be.
fn line(text: &mut String, what: &str, [first, second]: [f64; 2], unit: &str, asked: Option<f64>) {
    let ratio = second / first;
    let asked = asked.map(|most| format!("at most {most}{}", verdict(ratio <= most))).unwrap_or_default();
    writeln!(text, "| {what} | {first:.2}{unit} | {second:.2}{unit} | {ratio:.2} | {asked} |").ok();
}

fn verdict(is_met: bool) -> &'static str {
    if is_met { ": met" } else { ": NOT MET" }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::render;

    #[test]
    fn lines_have_medians_their_ratios_and_what_is_asked() {
        let turn = |ms: f64, cpu: f64| json!({ "payload_p50_ms": ms, "payload_p99_ms": ms, "both_p50_ms": ms, "both_p99_ms": ms, "cpu_seconds": cpu });
        let ours = json!({ "first_valid_seconds": 6.0, "since_download_seconds": 1.0, "after_stop_seconds": 0.5,
            "after_kill_seconds": 4.0 });
        let record = json!({
            "payloads": { "geth": [turn(9.0, 4.0), turn(8.0, 5.0), turn(1.0, 6.0)], "snapsync": [turn(2.0, 1.0)] },
            "bad_calls": { "alone": [turn(2.0, 1.0)], "beside": [turn(3.0, 1.0)] },
            "heads": { "geth": [{ "first_valid_seconds": 20.0 }], "snapsync": [ours] },
        });
        let text = render(&record);
        for line in [
            "| `newPayload`, p99 | 8.00 ms | 2.00 ms | 0.25 | at most 0.5: met |",
            "| CPU of the client | 5.00 s | 1.00 s | 0.20 |  |",
            "| `newPayload`, p50 | 2.00 ms | 3.00 ms | 1.50 | at most 1.2: NOT MET |",
            "| the start in an empty directory | 20.00 s | 6.00 s | 0.30 | at most 0.4: met |",
            "| a start after SIGTERM | | 0.50 s | | below 3 s: met |",
            "| a start after SIGKILL | | 4.00 s | | below 3 s: NOT MET |",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
        assert_eq!(render(&json!({})), "");
    }
}
