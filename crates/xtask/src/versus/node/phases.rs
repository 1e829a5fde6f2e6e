//! When our node entered which phase, by its log: one JSON object a line.

use serde_json::Value;

/// A day's.
const SECONDS: f64 = 86_400.0;

/// A phase, and when it began, in seconds of the day.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entered {
    pub(super) phase: String,
    pub(super) at: f64,
}

/// All phases that were entered, in order.
pub(super) fn entered(log: &str) -> Vec<Entered> {
    let of_line = |line: &str| {
        let line: Value = serde_json::from_str(line).ok()?;
        let phase = line["message"].as_str()?.strip_prefix("phase: ")?.to_owned();
        Some(Entered { phase, at: second_of_day(line["timestamp"].as_str()?)? })
    };
    log.lines().filter_map(of_line).collect()
}

/// Seconds from the end of the last download to a time of the day.
pub(super) fn since_download(phases: &[Entered], until: f64) -> Option<f64> {
    let last = phases.iter().rposition(|entered| entered.phase == "download")?;
    Some((until - phases.get(last + 1)?.at).rem_euclid(SECONDS))
}

/// `2026-01-31T12:34:56.789Z` is a second of its day.
fn second_of_day(timestamp: &str) -> Option<f64> {
    let (_, time) = timestamp.strip_suffix('Z')?.split_once('T')?;
    let mut parts = time.split(':').map(|part| part.parse::<f64>().ok());
    let (hours, minutes, seconds) = (parts.next()??, parts.next()??, parts.next()??);
    Some(hours * 3_600.0 + minutes * 60.0 + seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn download_ends_with_the_phase_behind_the_last_one() {
        let line = |time: &str, message: &str| {
            format!("{{\"timestamp\":\"2026-01-31T{time}Z\",\"level\":\"INFO\",\"message\":\"{message}\"}}\n")
        };
        let log = [
            line("23:59:50.0", "phase: download"),
            line("23:59:55.0", "phase: rebuild"),
            "no JSON\n".to_owned(),
            line("23:59:56.5", "phase: download"),
            line("23:59:58.5", "head is block 7"),
            line("23:59:59.5", "phase: rebuild"),
        ]
        .concat();
        let phases = entered(&log);
        assert_eq!(phases.len(), 4);
        assert_eq!(phases[3], Entered { phase: "rebuild".to_owned(), at: 86_399.5 });
        assert_eq!(since_download(&phases, 1.0), Some(1.5), "a day may end in between");
        assert_eq!(since_download(&phases[..3], 1.0), None, "it goes on");
        assert_eq!(since_download(&[], 1.0), None);
    }
}
