//! A chart of lines over a common axis.

use crate::perf::svg::{Anchor, Drawing};

/// A line, by rising x.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Line {
    pub(crate) label: String,
    pub(crate) points: Vec<(f64, f64)>,
}

/// A chart. Its y axis begins at zero.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Lines {
    pub(crate) title: String,
    /// What is below the title: whose figures these are.
    pub(crate) subtitle: String,
    pub(crate) x_label: &'static str,
    pub(crate) y_label: &'static str,
    pub(crate) lines: Vec<Line>,
}

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 372.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 40.0;
const TOP: f64 = 104.0;
const BOTTOM: f64 = 52.0;
/// Classes of the lines, in order.
const CLASSES: [&str; 3] = ["one", "two", "three"];

impl Lines {
    pub(crate) fn draw(&self) -> String {
        let mut drawing = Drawing::new(WIDTH, HEIGHT);
        drawing.text(20.0, 26.0, Anchor::Start, "ink title", &self.title);
        drawing.text(20.0, 46.0, Anchor::Start, "soft", &self.subtitle);
        let points = || self.lines.iter().flat_map(|line| &line.points);
        let (first, last) =
            points().fold((f64::MAX, f64::MIN), |(low, high), (x, _)| (low.min(*x), high.max(*x)));
        let step = step_of(points().map(|(_, y)| *y).fold(f64::MIN_POSITIVE, f64::max));
        let steps = (points().map(|(_, y)| *y).fold(0.0, f64::max) / step).ceil().max(1.0);
        // Sizes, peers and latencies grow by factors: so does the axis.
        let spread = (last / first).ln().max(f64::MIN_POSITIVE);
        let x_of = |x: f64| LEFT + 10.0 + (x / first).ln() / spread * (WIDTH - LEFT - RIGHT - 20.0);
        let y_of = |y: f64| HEIGHT - BOTTOM - y / (step * steps) * (HEIGHT - TOP - BOTTOM);

        for at in 0..=steps as u32 {
            let (value, y) = (f64::from(at) * step, y_of(f64::from(at) * step));
            drawing.rule((LEFT, y), (WIDTH - RIGHT, y), "rule");
            drawing.text(LEFT - 8.0, y + 4.0, Anchor::End, "soft", &short(value));
        }
        let mut shown: Vec<f64> = points().map(|(x, _)| *x).collect();
        shown.sort_by(f64::total_cmp);
        shown.dedup();
        for x in shown {
            drawing.text(x_of(x), HEIGHT - BOTTOM + 18.0, Anchor::Middle, "soft", &short(x));
        }
        drawing.text((LEFT + WIDTH - RIGHT) / 2.0, HEIGHT - 12.0, Anchor::Middle, "soft", self.x_label);
        let mut at = LEFT;
        for (line, class) in self.lines.iter().zip(CLASSES.into_iter().cycle()) {
            let places: Vec<_> = line.points.iter().map(|(x, y)| (x_of(*x), y_of(*y))).collect();
            drawing.path(&places, class);
            drawing.bar(at, TOP - 46.0, 14.0, 10.0, class);
            drawing.text(at + 20.0, TOP - 37.0, Anchor::Start, "ink", &line.label);
            at += 48.0 + 7.0 * line.label.chars().count() as f64;
        }
        drawing.text(20.0, TOP - 12.0, Anchor::Start, "soft", self.y_label);
        drawing.finish(&self.title)
    }
}

/// A round step that divides the axis up to `most` into three to six parts.
fn step_of(most: f64) -> f64 {
    let magnitude = 10f64.powf((most / 3.0).log10().floor());
    [5.0, 2.0, 1.0]
        .into_iter()
        .map(|factor| factor * magnitude)
        .find(|step| most / step >= 3.0)
        .unwrap_or(magnitude)
}

/// A number in few letters.
fn short(value: f64) -> String {
    let (scaled, unit) = match value {
        value if value >= 1e6 => (value / 1e6, " M"),
        value if value >= 1e4 => (value / 1e3, " k"),
        value => (value, ""),
    };
    let text = format!("{scaled:.2}");
    format!("{}{unit}", text.trim_end_matches('0').trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_round_and_few() {
        for (most, step) in [(1.0, 0.2), (0.9, 0.2), (6.5, 2.0), (30.0, 10.0), (100.0, 20.0)] {
            assert!((step_of(most) - step).abs() < 1e-9, "{most}: {}", step_of(most));
        }
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!([0.5, 20.0, 300_000.0, 20_000_000.0].map(short), ["0.5", "20", "300 k", "20 M"]);
    }
}
