//! The doctor: asks this kernel for everything that the promise rests on, and says what it answered.
//!
//! "Any process may be killed at any instruction" is kept by the kernel as much as by us: it marks
//! the locks of the dead, wakes those who wait for them and tells processes apart. A sandbox, an old
//! kernel or another C library may not do all of that. So each service is tried, with children that
//! really die, and for each that is missing the report says what is done instead.

mod deaths;
mod services;

use std::fmt;

/// How one examination came out.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The kernel does it.
    Holds,
    /// It does not, and something slower is used instead.
    Slower(&'static str),
    /// It does not, and the promise is not kept here. What was seen.
    Broken(String),
}

/// One service of the kernel.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Finding {
    /// What was examined, in a few words.
    pub subject: &'static str,
    /// What rests on it.
    pub purpose: &'static str,
    /// How it came out.
    pub outcome: Outcome,
    /// What was measured or found besides; may be empty.
    pub detail: String,
}

impl Finding {
    fn new(subject: &'static str, purpose: &'static str, outcome: Outcome) -> Self {
        Self { subject, purpose, outcome, detail: String::new() }
    }

    fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = detail.into();
        self
    }
}

/// What the doctor found.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Report {
    /// The kernel's release.
    pub kernel: String,
    /// One finding for each service.
    pub findings: Vec<Finding>,
}

impl Report {
    /// Whether the promise is kept here, at full speed or not.
    pub fn is_sound(&self) -> bool {
        !self.findings.iter().any(|finding| matches!(finding.outcome, Outcome::Broken(_)))
    }

    /// Whether nothing has to be replaced by something slower.
    pub fn is_best(&self) -> bool {
        self.findings.iter().all(|finding| finding.outcome == Outcome::Holds)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Linux {}", self.kernel)?;
        for finding in &self.findings {
            let (mark, remark) = match &finding.outcome {
                Outcome::Holds => ("holds ", finding.detail.clone()),
                Outcome::Slower(instead) => ("slower", format!("instead: {instead}")),
                Outcome::Broken(seen) => ("BROKEN", seen.clone()),
            };
            writeln!(f, "  {mark}  {:<34} {}", finding.subject, finding.purpose)?;
            if !remark.is_empty() {
                writeln!(f, "          {remark}")?;
            }
        }
        let verdict = if !self.is_sound() {
            "The promise is NOT kept on this machine."
        } else if self.is_best() {
            "The promise is kept on this machine, at full speed."
        } else {
            "The promise is kept on this machine, in some places more slowly than elsewhere."
        };
        writeln!(f, "{verdict}")
    }
}

/// Examines the machine. Starts a few children that die at once, and takes about a tenth of a
/// second.
///
/// # Examples
///
/// ```
/// let report = brigade_sys::doctor::examine();
/// assert!(report.is_sound(), "{report}");
/// ```
pub fn examine() -> Report {
    let kernel = rustix::system::uname().release().to_string_lossy().into_owned();
    let mut findings = services::examine();
    findings.extend(deaths::examine());
    Report { kernel, findings }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_keeps_the_promise() {
        let report = examine();
        assert!(report.is_sound(), "{report}");
        assert!(report.findings.len() >= 8);
    }

    #[test]
    fn a_report_says_what_is_slower_and_what_is_broken() {
        let finding = |outcome| Finding::new("sleeping", "waiting", outcome);
        let mut report = Report { kernel: "7".into(), findings: vec![finding(Outcome::Holds)] };
        assert!(report.is_best());
        report.findings.push(finding(Outcome::Slower("short naps")));
        assert!(report.is_sound() && !report.is_best());
        assert!(report.to_string().contains("instead: short naps"));
        report.findings.push(finding(Outcome::Broken("it slept on".into())));
        assert!(!report.is_sound());
        assert!(report.to_string().contains("NOT kept"));
    }
}
