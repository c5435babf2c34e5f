//! A group as bars, on a logarithmic scale: the differences are of powers of ten.
//!
//! The colours follow the reader's: a chart is light on a light page and dark on a dark one.

use crate::case::Side;
use crate::harness::{Figure, GroupResult};
use crate::report::short;
use std::fmt::Write;

const WIDTH: f64 = 760.0;
const NAMES: f64 = 270.0;
const FIGURES: f64 = 90.0;
const TOP: f64 = 56.0;
const ROW: f64 = 26.0;

const STYLE: &str = "<style>\n\
    .page{fill:#ffffff} text{fill:#1f2937} .note{fill:#6b7280}\n\
    .ours{fill:#c2410c} .peer{fill:#94a3b8} .bound{fill:#e2e8f0} .range{stroke:#1f2937}\n\
    @media (prefers-color-scheme: dark){\n\
    .page{fill:#0d1117} text{fill:#e6edf3} .note{fill:#9198a1}\n\
    .ours{fill:#f97316} .peer{fill:#64748b} .bound{fill:#334155} .range{stroke:#e6edf3}}\n\
    </style>\n";

/// Draws the medians of a group, and how far its samples spread.
pub(crate) fn draw(group: &GroupResult) -> String {
    let tag = group.tag();
    let bars: Vec<(&str, Side, Figure)> = group
        .cases
        .iter()
        .filter_map(|case| Some((case.name.as_str(), case.side, case.figure(tag)?)))
        .collect();
    let scale = Scale::over(bars.iter().flat_map(|(_, _, it)| [it.spread.min, it.spread.max]));
    let height = TOP + ROW * bars.len() as f64 + 12.0;

    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
         font-family=\"sans-serif\" font-size=\"13\">\n{STYLE}\
         <rect class=\"page\" width=\"{WIDTH}\" height=\"{height}\"/>\n\
         <text x=\"12\" y=\"22\" font-size=\"16\" font-weight=\"bold\">{}</text>\n\
         <text class=\"note\" x=\"12\" y=\"42\">{}, {} is better, logarithmic; cores: {}</text>\n",
        escape(group.name),
        group.unit.name(),
        if group.unit.advantage(2.0, 1.0) > 1.0 { "more" } else { "less" },
        tag.name(),
    );
    for (index, (name, side, figure)) in bars.into_iter().enumerate() {
        let top = TOP + ROW * index as f64;
        svg.push_str(&bar(&scale, top, name, side, figure));
    }
    svg + "</svg>\n"
}

fn bar(scale: &Scale, top: f64, name: &str, side: Side, figure: Figure) -> String {
    let class = match side {
        Side::Brigade => "ours",
        Side::Peer => "peer",
        Side::Bound => "bound",
    };
    let (min, max) = (scale.at(figure.spread.min), scale.at(figure.spread.max));
    let end = scale.at(figure.spread.median);
    let (text, middle) = (top + 15.0, top + 10.0);
    let mut svg = String::new();
    let _never_fails = write!(
        svg,
        "<text x=\"{:.1}\" y=\"{text}\" text-anchor=\"end\">{}</text>\n\
         <rect class=\"{class}\" x=\"{NAMES}\" y=\"{top}\" width=\"{:.1}\" height=\"20\"/>\n\
         <path class=\"range\" d=\"M{min:.1} {middle}H{max:.1}\"/>\n\
         <text x=\"{:.1}\" y=\"{text}\">{}</text>\n",
        NAMES - 8.0,
        escape(name),
        end - NAMES,
        max.max(end) + 6.0,
        short(figure.spread.median),
    );
    svg
}

/// From a value to a place between the names and the figures.
struct Scale {
    /// The power of ten that a bar of no length would have.
    from: f64,
    to: f64,
}

impl Scale {
    fn over(values: impl Iterator<Item = f64>) -> Self {
        let powers = values.filter(|&value| value > 0.0).map(f64::log10);
        let (low, high) = powers
            .fold((f64::MAX, f64::MIN), |(low, high), power| (low.min(power), high.max(power)));
        if low > high { Self { from: 0.0, to: 1.0 } } else { Self { from: low - 0.5, to: high } }
    }

    fn at(&self, value: f64) -> f64 {
        let share = (value.max(f64::MIN_POSITIVE).log10() - self.from) / (self.to - self.from);
        NAMES + share.clamp(0.0, 1.0) * (WIDTH - NAMES - FIGURES)
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_lie_between_names_and_figures() {
        let scale = Scale::over([0.1, 100.0].into_iter());
        assert!(scale.at(0.1) > NAMES);
        assert!((scale.at(100.0) - (WIDTH - FIGURES)).abs() < 1e-6);
        let step = scale.at(10.0) - scale.at(1.0);
        assert!((scale.at(1.0) - scale.at(0.1) - step).abs() < 1e-6, "ten times is one step");
    }

    #[test]
    fn one_value_is_a_bar_too() {
        let scale = Scale::over([7.0].into_iter());
        assert!(scale.at(7.0) > NAMES);
    }
}
