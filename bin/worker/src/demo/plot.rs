//! The chart: the table as bars, in SVG.

use std::fmt::Write as _;

use super::duration::duration;
use super::run::Measured;

const ROW: usize = 28;
const TOP: usize = 64;
const LEFT: usize = 170;
const BAR: f64 = 420.0;
const WIDTH: usize = 860;

/// A bar for each mechanism, as long as its messages per second, with its latencies beside it.
pub(crate) fn svg(measured: &[Measured]) -> String {
    let most = measured.iter().map(Measured::messages_per_second).fold(1.0, f64::max);
    let height = TOP + measured.len() * ROW + 24;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" \
         viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"16\" y=\"28\" font-size=\"17\">One job over every mechanism</text>\n\
         <text x=\"16\" y=\"48\" fill=\"#666\">messages per second, and how long a record took \
         (p50, p99)</text>\n"
    );
    for (index, row) in measured.iter().enumerate() {
        let y = TOP + index * ROW;
        let length = row.messages_per_second() / most * BAR;
        let right = LEFT as f64 + length + 8.0;
        // A String takes every write.
        let _ = writeln!(
            svg,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>\n\
             <rect x=\"{LEFT}\" y=\"{}\" width=\"{length:.1}\" height=\"18\" fill=\"#3b7dd8\"/>\n\
             <text x=\"{right:.1}\" y=\"{}\">{:.0}/s <tspan fill=\"#666\">{}, {}</tspan></text>",
            LEFT - 10,
            y + 14,
            row.mechanism,
            y,
            y + 14,
            row.messages_per_second(),
            duration(row.median),
            duration(row.slowest_percent),
        );
    }
    svg.push_str("</svg>\n");
    svg
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn each_mechanism_has_a_bar_and_the_fastest_the_longest() {
        let row = |name: &str, millis| Measured {
            mechanism: name.to_owned(),
            processes: 3,
            messages: 100,
            bytes: 1000,
            elapsed: Duration::from_millis(millis),
            median: Duration::from_micros(5),
            slowest_percent: Duration::from_micros(9),
        };
        let svg = svg(&[row("slow", 100), row("fast", 50)]);
        assert!(svg.contains(">slow<") && svg.contains(">fast<"));
        assert!(svg.contains("width=\"420.0\"") && svg.contains("width=\"210.0\""));
    }
}
