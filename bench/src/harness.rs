//! The order of measurements: interleaved, probed before and after, repeated.

use crate::case::{Case, Cores, Effort, Group, Sample, Side, Unit};
use crate::machine::{Placement, allow};
use crate::probe::{self, Tag};
use crate::statistics::Spread;
use crate::watch;
use serde::Serialize;

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// How many samples under the same tag every case of a group is to have.
    pub(crate) rounds: usize,
    /// How many times `rounds` are tried for that.
    pub(crate) patience: usize,
    pub(crate) effort: Effort,
}

impl Pace {
    pub(crate) const FULL: Self = Self { rounds: 5, patience: 3, effort: Effort::Full };
    pub(crate) const QUICK: Self = Self { rounds: 1, patience: 1, effort: Effort::Quick };
}

/// A case that failed is tried again this often: a busy machine makes a partner late.
const RETRIES: usize = 2;

#[derive(Debug, Serialize)]
pub(crate) struct GroupResult {
    pub(crate) family: &'static str,
    pub(crate) name: &'static str,
    pub(crate) work: &'static str,
    pub(crate) unit: Unit,
    pub(crate) detail: Option<&'static str>,
    pub(crate) cores: Cores,
    pub(crate) cases: Vec<CaseResult>,
}

#[derive(Debug, Serialize)]
pub(crate) struct CaseResult {
    pub(crate) name: String,
    pub(crate) side: Side,
    /// Why there are no samples, when the case cannot be measured on this machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) missing: Option<String>,
    pub(crate) samples: Vec<Tagged>,
    pub(crate) failures: Vec<String>,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Tagged {
    pub(crate) tag: Tag,
    #[serde(flatten)]
    pub(crate) sample: Sample,
}

/// What a table shows of a case.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Figure {
    pub(crate) tag: Tag,
    #[serde(flatten)]
    pub(crate) spread: Spread,
    pub(crate) detail: Option<f64>,
    pub(crate) samples: usize,
}

/// Measures the cases of a group in turns.
pub(crate) fn run(group: &Group, placement: Placement, pace: Pace) -> GroupResult {
    let new = |case: &dyn Case| CaseResult {
        name: case.name().to_owned(),
        side: case.side(),
        missing: case.missing(),
        samples: Vec::new(),
        failures: Vec::new(),
    };
    let cases = group.cases.iter().map(|case| new(case.as_ref())).collect();
    let Group { family, name, work, unit, detail, cores, .. } = *group;
    let mut result = GroupResult { family, name, work, unit, detail, cores, cases };
    let placement = match cores {
        Cores::One => Placement { there: placement.here, ..placement },
        Cores::Two => placement,
    };
    for round in 1..=pace.rounds * pace.patience {
        eprintln!("{}: round {round}", group.name);
        for (case, result) in group.cases.iter().zip(&mut result.cases) {
            if result.missing.is_none() {
                result.measure(case.as_ref(), placement, pace.effort);
            }
        }
        if result.is_complete(pace.rounds) {
            break;
        }
    }
    result
}

impl CaseResult {
    fn measure(&mut self, case: &dyn Case, placement: Placement, effort: Effort) {
        for attempt in 0..=RETRIES {
            let measure = || measure_between_probes(case, placement, effort);
            match watch::over(&self.name, measure) {
                Ok(tagged) => return self.samples.push(tagged),
                Err(error) => {
                    eprintln!("{} failed (attempt {}): {error}", self.name, attempt + 1);
                    if attempt == RETRIES {
                        self.failures.push(error.to_string());
                    }
                }
            }
        }
    }

    fn is_working(&self) -> bool {
        self.failures.is_empty() && self.missing.is_none()
    }

    fn tagged(&self, tag: Tag) -> impl Iterator<Item = Sample> {
        self.samples.iter().filter(move |tagged| tagged.tag == tag).map(|tagged| tagged.sample)
    }

    /// The figure of the samples under a tag; of all samples for [`Tag::Mixed`].
    pub(crate) fn figure(&self, tag: Tag) -> Option<Figure> {
        let samples: Vec<Sample> = match tag {
            Tag::Mixed => self.samples.iter().map(|tagged| tagged.sample).collect(),
            _ => self.tagged(tag).collect(),
        };
        let values: Vec<f64> = samples.iter().map(|sample| sample.value).collect();
        let details: Vec<f64> = samples.iter().filter_map(|sample| sample.detail).collect();
        Some(Figure {
            tag,
            spread: Spread::of(&values)?,
            detail: Spread::of(&details).map(|spread| spread.median),
            samples: samples.len(),
        })
    }
}

fn measure_between_probes(
    case: &dyn Case,
    placement: Placement,
    effort: Effort,
) -> crate::Result<Tagged> {
    let before = probe::round_trip(placement)?;
    allow(&[placement.here, placement.there])?;
    let sample = case.measure(placement, effort)?;
    let after = probe::round_trip(placement)?;
    let tag = if placement.is_one_core() { Tag::OneCore } else { Tag::between(before, after) };
    Ok(Tagged { tag, sample })
}

impl GroupResult {
    /// How many cases have at least one measurement that failed.
    pub(crate) fn failures(&self) -> usize {
        self.cases.iter().filter(|case| !case.failures.is_empty()).count()
    }

    /// The tag under which the cases are compared: that which most samples of every case have.
    pub(crate) fn tag(&self) -> Tag {
        let tags = [Tag::OneCore, Tag::Near, Tag::Far];
        tags.into_iter()
            .rev()
            .max_by_key(|&tag| self.fewest(tag))
            .filter(|&tag| self.fewest(tag) > 0)
            .unwrap_or(Tag::Mixed)
    }

    fn is_complete(&self, rounds: usize) -> bool {
        self.fewest(self.tag()) >= rounds
    }

    /// How many samples under a tag the case with the fewest has; a case that failed or is missing
    /// is left out.
    fn fewest(&self, tag: Tag) -> usize {
        let working = self.cases.iter().filter(|case| case.is_working());
        let count = |case: &CaseResult| match tag {
            Tag::Mixed => 0,
            _ => case.tagged(tag).count(),
        };
        working.map(count).min().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(cases: &[&[Tag]]) -> GroupResult {
        let tagged = |&tag: &Tag| Tagged { tag, sample: Sample::of(1.0) };
        let case = |tags: &&[Tag]| CaseResult {
            name: String::new(),
            side: Side::Peer,
            missing: None,
            samples: tags.iter().map(tagged).collect(),
            failures: Vec::new(),
        };
        let cases = cases.iter().map(case).collect();
        GroupResult {
            family: "",
            name: "",
            work: "",
            unit: Unit::Seconds,
            detail: None,
            cores: Cores::Two,
            cases,
        }
    }

    #[test]
    fn cases_are_compared_under_the_tag_that_all_of_them_have() {
        use Tag::{Far, Mixed, Near};

        assert_eq!(group(&[&[Near, Far, Far], &[Far, Near, Far]]).tag(), Far);
        assert_eq!(group(&[&[Near, Far], &[Far, Near]]).tag(), Near);
        assert_eq!(group(&[&[Near, Near], &[Far, Far]]).tag(), Mixed);
        assert!(group(&[&[Near, Near], &[Near, Near, Far]]).is_complete(2));
        assert!(!group(&[&[Near, Near], &[Near, Far]]).is_complete(2));
        assert!(!group(&[&[Mixed, Mixed], &[Mixed, Mixed]]).is_complete(2));
    }
}
