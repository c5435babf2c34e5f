//! What the proof found, for people and for programs.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;
use std::{fs, io};

use serde::{Deserialize, Serialize};

/// One part of the proof.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Section {
    /// What it is called.
    pub title: String,
    /// What was done, in a sentence or two.
    pub about: String,
    /// What came of it, in a few words.
    pub summary: String,
    /// The heads of the table's columns.
    pub columns: Vec<String>,
    /// The table, row by row.
    pub rows: Vec<Vec<String>>,
    /// What went wrong.
    pub failures: Vec<String>,
    /// How long it took.
    pub took: Duration,
}

impl Section {
    /// A part without rows.
    pub fn new(title: &str, about: &str, columns: &[&str]) -> Self {
        Self {
            title: title.to_owned(),
            about: about.to_owned(),
            columns: columns.iter().map(|&column| column.to_owned()).collect(),
            ..Self::default()
        }
    }

    /// Notes that something broken was noticed `after` so much; it is a failure if it was not.
    pub fn note(&mut self, place: &str, after: String, noticed: Option<String>) {
        match noticed {
            Some(noticed) => self.rows.push(vec![place.to_owned(), after, noticed]),
            None => self.failures.push(format!("{place}: not noticed after {after}")),
        }
    }
}

/// All parts.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Report {
    /// The machine, and how the proof was started.
    pub circumstances: String,
    /// The parts, in order.
    pub sections: Vec<Section>,
}

impl Report {
    /// Whether nothing went wrong.
    pub fn is_success(&self) -> bool {
        self.sections.iter().all(|section| section.failures.is_empty())
    }

    /// Writes `report.md` and `report.json` into `folder`.
    ///
    /// # Errors
    ///
    /// Fails when the files cannot be written.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        fs::create_dir_all(folder)?;
        fs::write(folder.join("report.md"), self.to_markdown())?;
        let json = serde_json::to_vec_pretty(self).map_err(io::Error::other)?;
        fs::write(folder.join("report.json"), json)
    }

    /// The report as a text.
    pub fn to_markdown(&self) -> String {
        let mut text = format!("# Proof\n\n{}\n\n", self.circumstances);
        let verdict = |section: &Section| match section.failures.len() {
            0 => "holds".to_owned(),
            count => format!("**{count} failures**"),
        };
        let rows: Vec<_> = self
            .sections
            .iter()
            .map(|it| vec![it.title.clone(), it.summary.clone(), verdict(it), seconds(it.took)])
            .collect();
        table(&mut text, &["part", "what was done", "verdict", "seconds"], &rows);
        for section in &self.sections {
            let _ = write!(text, "\n## {}\n\n{}\n\n", section.title, section.about);
            for failure in &section.failures {
                let _ = write!(text, "**Failure:** {}\n\n", failure.trim());
            }
            if !section.rows.is_empty() {
                table(&mut text, &section.columns, &section.rows);
            }
        }
        text
    }
}

/// A time as a number of seconds.
pub fn seconds(time: Duration) -> String {
    format!("{:.1}", time.as_secs_f64())
}

fn table(text: &mut String, columns: &[impl AsRef<str>], rows: &[Vec<String>]) {
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    text.push_str(&line(columns.iter().map(|column| column.as_ref().to_owned()).collect()));
    text.push_str(&line(columns.iter().map(|_| "---".to_owned()).collect()));
    for row in rows {
        let cells = row.iter().map(|cell| cell.replace('|', "\\|").replace('\n', " "));
        text.push_str(&line(cells.collect()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_with_a_failure_says_so_and_is_none_of_success() {
        let mut section = Section::new("Deaths", "Many.", &["who", "how"]);
        section.rows.push(vec!["a|b".to_owned(), "at once".to_owned()]);
        let mut report = Report { circumstances: "Here.".to_owned(), sections: vec![section] };
        assert!(report.is_success());
        assert!(report.to_markdown().contains("| Deaths |  | holds | 0.0 |"));
        assert!(report.to_markdown().contains("| a\\|b | at once |"));

        report.sections[0].failures.push("one was lost".to_owned());
        assert!(!report.is_success());
        let text = report.to_markdown();
        assert!(text.contains("**1 failures**") && text.contains("**Failure:** one was lost"));
    }
}
