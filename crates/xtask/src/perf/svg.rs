//! A drawing in SVG, with colours for light and for dark surroundings. It draws what it is told and knows no data.

use std::fmt::Write;

/// Colours by class, first for light, then for dark surroundings. Neighbours differ in brightness too, for those who cannot tell
/// the hues apart.
const COLOURS: [(&str, &str, &str); 7] = [
    ("paper", "#ffffff", "#0d1117"),
    ("ink", "#1f2328", "#e6edf3"),
    ("soft", "#59636e", "#9198a1"),
    ("rule", "#d1d9e0", "#3d444d"),
    ("one", "#0969da", "#4493f8"),
    ("two", "#bc4c00", "#db8d4a"),
    ("three", "#1a7f37", "#56d364"),
];

/// Where a text begins from its point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

/// A drawing under way.
#[derive(Clone, Debug)]
pub(crate) struct Drawing {
    width: f64,
    height: f64,
    body: String,
}

impl Drawing {
    pub(crate) fn new(width: f64, height: f64) -> Self {
        Self { width, height, body: String::new() }
    }

    pub(crate) fn text(&mut self, x: f64, y: f64, anchor: Anchor, class: &str, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let text = escape(text);
        writeln!(
            self.body,
            r#"<text x="{x:.1}" y="{y:.1}" text-anchor="{anchor}" class="{class}">{text}</text>"#
        )
        .ok();
    }

    pub(crate) fn bar(&mut self, x: f64, y: f64, width: f64, height: f64, class: &str) {
        writeln!(
            self.body,
            r#"<rect x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{height:.1}" rx="2" class="{class}"/>"#
        )
        .ok();
    }

    pub(crate) fn rule(&mut self, from: (f64, f64), to: (f64, f64), class: &str) {
        let ((x1, y1), (x2, y2)) = (from, to);
        writeln!(self.body, r#"<line x1="{x1:.1}" y1="{y1:.1}" x2="{x2:.1}" y2="{y2:.1}" class="{class}"/>"#)
            .ok();
    }

    /// A line through points, with a dot on each.
    pub(crate) fn path(&mut self, points: &[(f64, f64)], class: &str) {
        let places: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        writeln!(self.body, r#"<polyline points="{}" class="{class} line"/>"#, places.join(" ")).ok();
        for (x, y) in points {
            writeln!(self.body, r#"<circle cx="{x:.1}" cy="{y:.1}" r="3.5" class="{class}"/>"#).ok();
        }
    }

    /// The whole file. `title` is what a reader without eyes is told.
    pub(crate) fn finish(self, title: &str) -> String {
        let Self { width, height, body } = self;
        let title = escape(title);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" \
             height=\"{height:.0}\" role=\"img\" font-family=\"system-ui, sans-serif\" font-size=\"13\">\n\
             <title>{title}</title>\n<style>\n{}</style>\n\
             <rect width=\"100%\" height=\"100%\" class=\"paper\"/>\n{body}</svg>\n",
            style()
        )
    }
}

fn style() -> String {
    let colours = |pick: fn(&(&'static str, &'static str, &'static str)) -> &'static str| {
        COLOURS.iter().fold(String::new(), |mut text, colour| {
            let (class, value) = (colour.0, pick(colour));
            writeln!(text, ".{class} {{ fill: {value}; stroke: {value}; }}").ok();
            text
        })
    };
    let dark = colours(|colour| colour.2);
    format!(
        "{}@media (prefers-color-scheme: dark) {{\n{dark}}}\ntext {{ stroke: none !important; }}\n\
         rect {{ stroke: none !important; }}\n.title {{ font-size: 15px; font-weight: 600; }}\n\
         line {{ stroke-width: 1; }}\n.limit {{ stroke-width: 2.5; }}\n.dashed {{ stroke-dasharray: 5 4; stroke-width: 2; }}\n\
         .line {{ fill: none !important; stroke-width: 2; }}\n",
        colours(|colour| colour.1)
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
