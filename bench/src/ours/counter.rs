//! Value as a counter: added to at once, and under its lock.

use crate::Result;
use crate::case::{Case, Effort, Sample, Side};
use crate::contention::{Pause, Window};
use crate::machine::Placement;
use crate::ours::worker::{Worker, exit_code};
use crate::partner::Ending;
use crate::peers::lock::length;
use brigade::{Process, Queue, Value};
use serde::{Deserialize, Serialize};
use std::process::ExitCode;

/// How one is added.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) enum Addition {
    Atomic,
    Update,
}

/// Two processes add to the same value.
pub(crate) struct Counter(pub(crate) Addition);

impl Case for Counter {
    fn name(&self) -> &str {
        match self.0 {
            Addition::Atomic => "Value::fetch_add",
            Addition::Update => "Value::update",
        }
    }

    fn side(&self) -> Side {
        Side::Brigade
    }

    fn measure(&self, placement: Placement, effort: Effort) -> Result<Sample> {
        let value = Value::new(0_u64)?;
        let counts = Queue::bounded(1)?;
        let window = Window::soon(length(effort), placement.here, Pause::None);
        let argument = (window.on(placement.there), self.0, value.clone(), counts.clone());
        let partner = Box::new(Worker::new(Process::start(contend, argument)?));
        let here = repeat(window, self.0, &value)?;
        partner.finish()?;
        window.sample(value.get(), here, counts.get()?)
    }
}

fn contend(
    (window, addition, value, counts): (Window, Addition, Value<u64>, Queue<u64>),
) -> ExitCode {
    let count = || Ok(counts.put(repeat(window, addition, &value)?)?);
    exit_code(count())
}

fn repeat(window: Window, addition: Addition, value: &Value<u64>) -> Result<u64> {
    match addition {
        Addition::Atomic => window.repeat(|| {
            value.fetch_add(1);
            Ok(())
        }),
        Addition::Update => window.repeat(|| {
            value.update(|number| *number += 1);
            Ok(())
        }),
    }
}
