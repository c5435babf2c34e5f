//! The command line.

use crate::Result;
use crate::harness::Pace;
use crate::machine::{self, Placement};
use clap::{Parser, Subcommand};
use std::path::PathBuf;

/// Measures brigade beside its peers.
#[derive(Debug, Parser)]
#[command(name = "brigade-bench")]
pub(crate) struct Options {
    /// Only groups whose family or name contains one of these.
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    pub(crate) groups: Vec<String>,

    /// Only cases that have this in their name or their group's; may be given several times.
    #[arg(long = "only", value_name = "TEXT")]
    pub(crate) only: Vec<String>,

    /// How many rounds each figure is the median of.
    #[arg(long, default_value_t = 5)]
    pub(crate) rounds: usize,

    /// One short round of everything: shows that it works, measures nothing.
    #[arg(long)]
    pub(crate) quick: bool,

    /// Puts all processes on one core, from their first instruction.
    ///
    /// Without it, some groups do so anyhow, but only once they have begun.
    #[arg(long)]
    pub(crate) one_core: bool,

    /// Lists the groups and cases and ends.
    #[arg(long)]
    pub(crate) list: bool,

    /// Where tables, samples and charts are left.
    #[arg(long, visible_alias = "json", default_value = "target/bench", value_name = "FOLDER")]
    pub(crate) output: PathBuf,

    #[command(subcommand)]
    pub(crate) role: Option<Role>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Role {
    /// The other process of a case; started by this program only.
    #[command(hide = true)]
    Partner { kind: String, address: String, plan: String },
}

impl Options {
    pub(crate) fn placement(&self) -> Result<Placement> {
        let cpus = machine::allowed_cpus()?;
        let first = *cpus.first().ok_or("no CPU is allowed")?;
        let second = cpus.get(1).copied().filter(|_| !self.one_core).unwrap_or(first);
        Ok(Placement { here: first, there: second })
    }

    pub(crate) fn pace(&self) -> Pace {
        if self.quick { Pace::QUICK } else { Pace { rounds: self.rounds.max(1), ..Pace::FULL } }
    }

    /// Whether a case is asked for.
    pub(crate) fn wants(&self, family: &str, group: &str, case: &str) -> bool {
        let names = |text: &String| family.contains(text) || group.contains(text);
        let contains = |text: &String| group.contains(text) || case.contains(text);
        (self.groups.is_empty() || self.groups.iter().any(names))
            && (self.only.is_empty() || self.only.iter().any(contains))
    }
}
