//! What one process repeats by itself.

use crate::Result;
use crate::case::{Case, Effort, Sample, Side};
use crate::machine::{Placement, pin};

/// A case that is a function: from how often to how long once takes.
pub(crate) struct Single {
    pub(crate) name: &'static str,
    pub(crate) side: Side,
    pub(crate) count: u64,
    pub(crate) measure: fn(u64) -> Result<f64>,
}

impl Case for Single {
    fn name(&self) -> &str {
        self.name
    }

    fn side(&self) -> Side {
        self.side
    }

    fn measure(&self, cpus: Placement, effort: Effort) -> Result<Sample> {
        pin(cpus.here)?;
        Ok(Sample::of((self.measure)(effort.repetitions(self.count))?))
    }
}
