//! The program's `bench`, as a script runs it: the figures that it promises are there and add up.

use std::process::Command;

// ROW: F65
#[test]
fn bench_prints_every_figure_as_json() {
    let output = Command::new(env!("CARGO_BIN_EXE_snapsync"))
        .args([
            "bench",
            "--accounts",
            "3000",
            "--contracts",
            "200",
            "--slots",
            "5000",
            "--demo-peers",
            "2",
            "--json",
        ])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let figures: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let number = |name: &str| figures[name].as_f64().unwrap_or_else(|| panic!("{name} is no number"));
    for name in [
        "accounts_per_second",
        "slots_per_second",
        "bytes_per_second",
        "cpu_seconds",
        "peak_rss_bytes",
        "peak_anonymous_bytes",
        "leaves_per_cpu_second",
        "disk_bytes_per_leaf",
        "memory_budget_bytes",
        "server_cpu_microseconds_per_leaf",
    ] {
        assert!(number(name) > 0.0, "{name}");
    }
    assert_eq!(figures["fetched"]["accounts"], 3000);
    // Every leaf is hashed at least once, unless its storage was copied from another of the same root.
    assert!(number("keccak_messages") >= number("leaves"));
}
