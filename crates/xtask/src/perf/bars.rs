//! A chart of bars that lie, each with a mark where its limit is.

use crate::perf::svg::{Anchor, Drawing};

/// A bar.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Bar {
    pub(crate) label: String,
    pub(crate) value: f64,
    /// What it cannot go below.
    pub(crate) limit: Option<f64>,
}

/// A chart.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Bars {
    pub(crate) title: String,
    /// What is below the title: whose figures these are.
    pub(crate) subtitle: String,
    pub(crate) unit: &'static str,
    pub(crate) bars: Vec<Bar>,
}

const WIDTH: f64 = 760.0;
const LEFT: f64 = 200.0;
const RIGHT: f64 = 120.0;
const TOP: f64 = 66.0;
const ROW: f64 = 30.0;

impl Bars {
    pub(crate) fn draw(&self) -> String {
        let height = TOP + ROW * self.bars.len() as f64 + 36.0;
        let mut drawing = Drawing::new(WIDTH, height);
        drawing.text(20.0, 26.0, Anchor::Start, "ink title", &self.title);
        drawing.text(20.0, 46.0, Anchor::Start, "soft", &self.subtitle);
        let values = self.bars.iter().flat_map(|bar| [Some(bar.value), bar.limit]).flatten();
        let most = values.fold(f64::MIN_POSITIVE, f64::max);
        let scale = |value: f64| value / most * (WIDTH - LEFT - RIGHT);
        for (index, bar) in self.bars.iter().enumerate() {
            let y = TOP + ROW * index as f64;
            drawing.text(LEFT - 10.0, y + 16.0, Anchor::End, "ink", &bar.label);
            drawing.bar(LEFT, y + 3.0, scale(bar.value), ROW - 12.0, "one");
            let end = scale(bar.value).max(bar.limit.map_or(0.0, scale));
            let number = format!("{:.0} {}", bar.value, self.unit);
            drawing.text(LEFT + end + 8.0, y + 16.0, Anchor::Start, "ink", &number);
            if let Some(limit) = bar.limit.map(scale) {
                drawing.rule((LEFT + limit, y - 1.0), (LEFT + limit, y + ROW - 5.0), "two limit");
            }
        }
        let below = TOP + ROW * self.bars.len() as f64;
        drawing.rule((LEFT, TOP - 6.0), (LEFT, below), "rule");
        drawing.rule((LEFT, below + 10.0), (LEFT, below + 24.0), "two limit");
        drawing.text(LEFT + 8.0, below + 22.0, Anchor::Start, "soft", "the limit, each measured alone");
        drawing.finish(&self.title)
    }
}
