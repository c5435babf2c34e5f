//! The table on the terminal, and the same as JSON.

use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _};

use serde_json::{Value, json};

use super::duration::duration;
use super::notes::{Counted, Passwords};
use super::run::Measured;
use super::service::Served;

/// Progress on the terminal: one line that changes, or plain lines where nobody watches.
#[derive(Debug)]
pub(crate) struct Progress {
    terminal: bool,
}

impl Progress {
    /// Progress on standard output.
    pub(crate) fn new() -> Self {
        Self { terminal: std::io::stdout().is_terminal() }
    }

    /// Says how far something has come; on a terminal only.
    pub(crate) fn show(&self, name: &str, done: usize, of: usize) {
        if self.terminal && (done.is_multiple_of(64) || done == of) {
            let width = 30;
            let filled = done * width / of.max(1);
            let bar = "█".repeat(filled) + &"░".repeat(width - filled);
            print(&format!("\r\x1b[2K  {name:<18} {bar} {done}/{of}"));
        }
    }

    /// Says that something has been done, in a line that stays.
    pub(crate) fn done(&self, text: &str) {
        let start = if self.terminal { "\r\x1b[2K" } else { "" };
        print(&format!("{start}  {text}\n"));
    }

    /// Begins a part of the demonstration.
    pub(crate) fn heading(&self, text: &str) {
        print(&format!("\n{text}\n"));
    }
}

/// Writes to standard output; a reader that has gone is no failure of the demonstration.
fn print(text: &str) {
    let mut out = std::io::stdout();
    let _ = out.write_all(text.as_bytes());
    let _ = out.flush();
}

/// The table of the mechanisms.
pub(crate) fn table(measured: &[Measured]) -> String {
    let mut table = format!(
        "  {:<18} {:>9} {:>9} {:>7} {:>11} {:>8} {:>10} {:>10}  verified\n",
        "mechanism", "processes", "messages", "MB", "messages/s", "MB/s", "p50", "p99"
    );
    for row in measured {
        // A String takes every write.
        let _ = writeln!(
            table,
            "  {:<18} {:>9} {:>9} {:>7.1} {:>11.0} {:>8.1} {:>10} {:>10}  yes",
            row.mechanism,
            row.processes,
            row.messages,
            row.megabytes(),
            row.messages_per_second(),
            row.megabytes_per_second(),
            duration(row.median),
            duration(row.slowest_percent),
        );
    }
    table
}

/// The whole demonstration as JSON: what `--json` writes.
pub(crate) fn json(
    measured: &[Measured],
    passwords: Option<&Passwords>,
    counted: Option<&Counted>,
    served: Option<&Served>,
) -> Value {
    let mechanisms: Vec<_> = measured
        .iter()
        .map(|row| {
            json!({
                "mechanism": row.mechanism,
                "processes": row.processes,
                "messages": row.messages,
                "bytes": row.bytes,
                "seconds": row.elapsed.as_secs_f64(),
                "messages_per_second": row.messages_per_second(),
                "megabytes_per_second": row.megabytes_per_second(),
                "p50_microseconds": row.median.as_secs_f64() * 1e6,
                "p99_microseconds": row.slowest_percent.as_secs_f64() * 1e6,
                "verified": true,
            })
        })
        .collect();
    json!({
        "mechanisms": mechanisms,
        "passwords": passwords.map(Passwords::json),
        "counter": counted.map(Counted::json),
        "service": served.map(Served::json),
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_row_shows_rates_of_the_time_it_took() {
        let row = Measured {
            mechanism: "queue".to_owned(),
            processes: 4,
            messages: 1000,
            bytes: 2_000_000,
            elapsed: Duration::from_millis(500),
            median: Duration::from_micros(20),
            slowest_percent: Duration::from_micros(90),
        };
        let table = table(std::slice::from_ref(&row));
        assert!(table.contains("2000") && table.contains("4.0"), "{table}");
        assert_eq!(json(&[row], None, None, None)["mechanisms"][0]["bytes"], 2_000_000);
    }
}
