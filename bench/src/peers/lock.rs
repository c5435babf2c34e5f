//! Locks and counters that others have: the C library's, the standard library's, a bare word.

use crate::Result;
use crate::case::{Case, Effort, Sample};
use crate::contention::{Pause, Window, alone};
use crate::machine::{Placement, pin};
use crate::partner::{Partner, standard_input};
use crate::pthread::{Mutex, Robustness};
use std::sync;
use std::thread;
use std::time::Duration;

pub(crate) const MUTEX: &str = "mutex";
pub(crate) const WORD: &str = "word";

/// How long two processes contend.
pub(crate) fn length(effort: Effort) -> Duration {
    match effort {
        Effort::Smoke => Duration::from_millis(5),
        Effort::Full => Duration::from_millis(200),
    }
}

/// How often one process locks alone.
pub(crate) const ALONE: u64 = 10_000_000;

/// The C library's mutex, by one process.
pub(crate) struct PthreadAlone(pub(crate) Robustness);

impl Case for PthreadAlone {
    fn name(&self) -> &str {
        pthread_name(self.0)
    }

    fn measure(&self, placement: Placement, effort: Effort) -> Result<Sample> {
        pin(placement.here)?;
        let (mutex, _file) = Mutex::create(self.0)?;
        Ok(Sample::of(alone(effort.repetitions(ALONE), || mutex.add())?))
    }
}

/// The same, by two processes at once.
pub(crate) struct PthreadContended(pub(crate) Robustness, pub(crate) Pause);

impl Case for PthreadContended {
    fn name(&self) -> &str {
        pthread_name(self.0)
    }

    fn measure(&self, placement: Placement, effort: Effort) -> Result<Sample> {
        let (mutex, file) = Mutex::create(self.0)?;
        let window = Window::soon(length(effort), placement.here, self.1);
        let partner = Partner::start(MUTEX, "", &window.on(placement.there), Some(file), None)?;
        let here = window.repeat(|| mutex.add())?;
        let there: u64 = partner.report()?;
        window.sample(mutex.count(), here, there)
    }
}

fn pthread_name(robustness: Robustness) -> &'static str {
    match robustness {
        Robustness::Stalled => "pthread mutex, process-shared",
        Robustness::Robust => "pthread mutex, process-shared, robust",
    }
}

/// A bare `fetch_add` in shared memory, by two processes at once: the bound of every counter.
pub(crate) struct Word;

impl Case for Word {
    fn name(&self) -> &str {
        "bare atomic add"
    }

    fn measure(&self, placement: Placement, effort: Effort) -> Result<Sample> {
        let (word, file) = Mutex::create(Robustness::Stalled)?;
        let window = Window::soon(length(effort), placement.here, Pause::None);
        let partner = Partner::start(WORD, "", &window.on(placement.there), Some(file), None)?;
        let add = || {
            word.add_atomically();
            Ok(())
        };
        let here = window.repeat(add)?;
        let there: u64 = partner.report()?;
        window.sample(word.count(), here, there)
    }
}

pub(crate) fn take_part(kind: &str, window: Window) -> Result<()> {
    let mutex = Mutex::open(standard_input()?.into())?;
    let count = window.repeat(|| {
        if kind == MUTEX {
            return mutex.add();
        }
        mutex.add_atomically();
        Ok(())
    })?;
    println!("{count}");
    Ok(())
}

/// The standard library's mutex, which only threads of one process can share: a bound.
pub(crate) struct StdAlone;

impl Case for StdAlone {
    fn name(&self) -> &str {
        "std Mutex (threads)"
    }

    fn measure(&self, placement: Placement, effort: Effort) -> Result<Sample> {
        pin(placement.here)?;
        let mutex = sync::Mutex::new(0_u64);
        Ok(Sample::of(alone(effort.repetitions(ALONE), || add(&mutex))?))
    }
}

pub(crate) struct StdContended(pub(crate) Pause);

impl Case for StdContended {
    fn name(&self) -> &str {
        "std Mutex (threads)"
    }

    fn measure(&self, placement: Placement, effort: Effort) -> Result<Sample> {
        let mutex = sync::Mutex::new(0_u64);
        let window = Window::soon(length(effort), placement.here, self.0);
        let (here, there) = thread::scope(|scope| {
            let there = scope.spawn(|| window.on(placement.there).repeat(|| add(&mutex)));
            let here = window.repeat(|| add(&mutex))?;
            let there = there.join().map_err(|_| "the other thread panicked")??;
            Result::Ok((here, there))
        })?;
        window.sample(*mutex.lock().map_err(|_| "poisoned")?, here, there)
    }
}

#[inline]
fn add(mutex: &sync::Mutex<u64>) -> Result<()> {
    *mutex.lock().map_err(|_| "poisoned")? += 1;
    Ok(())
}
