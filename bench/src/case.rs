//! What is measured: groups of cases that do the same work.

use crate::Result;
use crate::machine::Placement;
use serde::Serialize;

/// Cases that do the same work, so that their figures may be compared.
pub(crate) struct Group {
    /// What several groups have in common, as `--groups` asks for it.
    pub(crate) family: &'static str,
    pub(crate) name: &'static str,
    /// One sentence: the work, exactly.
    pub(crate) work: &'static str,
    pub(crate) unit: Unit,
    /// What a second figure of each sample says.
    pub(crate) detail: Option<&'static str>,
    pub(crate) cores: Cores,
    pub(crate) cases: Vec<Box<dyn Case>>,
}

/// How many cores the processes of a group have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Cores {
    One,
    Two,
}

/// One mechanism doing the work of its group.
pub(crate) trait Case {
    fn name(&self) -> &str;

    /// Whose it is: the tables compare brigade with the rest.
    fn side(&self) -> Side {
        Side::Peer
    }

    /// Why it cannot be measured on this machine, if so.
    fn missing(&self) -> Option<String> {
        None
    }

    /// Does the work once, for about as long as `effort` says, and verifies the result.
    fn measure(&self, placement: Placement, effort: Effort) -> Result<Sample>;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Side {
    Brigade,
    Peer,
    /// What the hardware gives to somebody who does less: threads of one process, bare words.
    Bound,
}

/// How long one measurement may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effort {
    /// As short as it can be.
    Quick,
    /// A few tenths of a second.
    Full,
}

impl Effort {
    /// `full` repetitions, or enough of them to see that it works.
    pub(crate) fn repetitions(self, full: u64) -> u64 {
        match self {
            Self::Quick => (full / 200).clamp(20, 2_000),
            Self::Full => full,
        }
    }
}

/// The result of one measurement.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Sample {
    /// In the unit of the group.
    pub(crate) value: f64,
    /// The second figure, where the group has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) detail: Option<f64>,
}

impl Sample {
    pub(crate) fn of(value: f64) -> Self {
        Self { value, detail: None }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) enum Unit {
    /// More is better.
    #[serde(rename = "million/s")]
    MillionPerSecond,
    /// More is better.
    #[serde(rename = "GB/s")]
    Gigabytes,
    /// More is better; half is fair.
    #[serde(rename = "share")]
    Share,
    /// Less is better.
    #[serde(rename = "µs")]
    Microseconds,
    /// Less is better.
    #[serde(rename = "ns")]
    Nanoseconds,
    /// Less is better.
    #[serde(rename = "s")]
    Seconds,
}

impl Unit {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::MillionPerSecond => "million/s",
            Self::Gigabytes => "GB/s",
            Self::Share => "share",
            Self::Microseconds => "µs",
            Self::Nanoseconds => "ns",
            Self::Seconds => "s",
        }
    }

    /// How many times better `value` is than `other`.
    pub(crate) fn advantage(self, value: f64, other: f64) -> f64 {
        match self {
            Self::MillionPerSecond | Self::Gigabytes | Self::Share => value / other,
            Self::Microseconds | Self::Nanoseconds | Self::Seconds => other / value,
        }
    }
}
