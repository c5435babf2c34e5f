//! Taking turns: what lets one at a time do something, by whatever name.

use crate::Result;
use crate::case::{Case, Effort, Sample, Side};
use crate::companion::{Job, Joint, Report};
use crate::contention::{Pause, Window, alone, length, work};
use crate::machine::{Placement, pin};
use crate::stream::microseconds;
use brigade_sys::time::now;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::{Acquire, Release};
use std::thread;
use std::time::Duration;

/// A mechanism, and a number that it protects.
pub(crate) trait Turns: Joint {
    /// Takes a turn, does what is to be done within, and adds one to the number. A turn that was
    /// left open by somebody killed is taken over.
    fn turn(&self, within: impl FnOnce() -> Result<()>) -> Result<()>;

    /// The number, when nobody else takes turns any more.
    fn total(&self) -> Result<u64>;
}

/// What is to be found out about a mechanism.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Question {
    /// Nanoseconds for a turn of one process alone.
    Alone,
    /// Million turns in a second of two processes at once.
    Contended(Pause),
    /// How they are shared out when a turn takes about a microsecond.
    Share,
    /// Microseconds from the death of the one whose turn it is to the next one's turn.
    OwnerKilled,
}

/// A mechanism by its name.
pub(crate) struct Mechanism<T> {
    pub(crate) name: &'static str,
    pub(crate) side: Side,
    pub(crate) create: fn() -> Result<T>,
    pub(crate) question: Question,
}

/// How often one process takes its turn alone.
pub(crate) const ALONE: u64 = 10_000_000;

/// How long a waiter is left alone before the owner is killed, so that it sleeps.
const SILENCE: Duration = Duration::from_millis(1);

impl<T: Turns> Case for Mechanism<T> {
    fn name(&self) -> &str {
        self.name
    }

    fn side(&self) -> Side {
        self.side
    }

    fn measure(&self, cpus: Placement, effort: Effort) -> Result<Sample> {
        let object = Arc::new((self.create)()?);
        match self.question {
            Question::Alone => {
                pin(cpus.here)?;
                let turn = || object.turn(|| Ok(()));
                Ok(Sample::of(alone(effort.repetitions(ALONE), turn)?))
            }
            Question::Contended(pause) => {
                let window = Window::soon(length(effort), cpus.here, pause);
                let mut companion = object.invite(Turn::Often(window.on(cpus.there)))?;
                let here = window.repeat(|| object.turn(|| Ok(())))?;
                let there = companion.hear()?;
                companion.finish()?;
                window.sample(object.total()?, here, there)
            }
            Question::Share => share(&object, cpus, effort),
            Question::OwnerKilled => {
                let kills = match effort {
                    Effort::Quick => 3,
                    Effort::Full => 20,
                };
                let taken = (0..kills).map(|_| kill_owner(&Arc::new((self.create)()?), cpus));
                microseconds(taken.collect::<Result<_>>()?)
            }
        }
    }
}

/// What the other side does.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) enum Turn {
    /// Takes turns as long as the window is open, and reports how many.
    Often(Window),
    /// The same with long turns; reports the longest wait as well.
    Long(Window),
    /// Takes one turn, says so, and keeps it.
    Keep { cpu: usize },
}

impl<T: Turns> Job<T> for Turn {
    fn carry_out(self, object: &T, report: Report<'_>) -> Result<()> {
        match self {
            Self::Often(window) => report(window.repeat(|| object.turn(|| Ok(())))?),
            Self::Long(window) => {
                let (count, longest) = long_turns(object, window)?;
                report(count)?;
                report(longest.as_nanos() as u64)
            }
            Self::Keep { cpu } => {
                pin(cpu)?;
                object.turn(|| {
                    report(1)?;
                    loop {
                        thread::park();
                    }
                })
            }
        }
    }
}

/// Turns of about a microsecond: how many, and how long the longest wait for one was.
fn long_turns<T: Turns>(object: &T, window: Window) -> Result<(u64, Duration)> {
    let mut longest = Duration::ZERO;
    let count = window.repeat(|| {
        let start = now();
        object.turn(|| {
            longest = longest.max(now() - start);
            work(Duration::from_micros(1));
            Ok(())
        })
    })?;
    Ok((count, longest))
}

/// The smaller share of two that take long turns, and the longest wait in milliseconds.
fn share<T: Turns>(object: &Arc<T>, cpus: Placement, effort: Effort) -> Result<Sample> {
    let window = Window::soon(length(effort), cpus.here, Pause::None);
    let mut companion = object.invite(Turn::Long(window.on(cpus.there)))?;
    let (here, longest_here) = long_turns(&**object, window)?;
    let (there, longest_there) = (companion.hear()?, Duration::from_nanos(companion.hear()?));
    companion.finish()?;
    let Sample { detail, .. } = window.sample(object.total()?, here, there)?;
    let longest = longest_here.max(longest_there).as_secs_f64() * 1e3;
    Ok(Sample { value: detail.unwrap_or_default(), detail: Some(longest) })
}

/// Kills the process whose turn it is; nanoseconds until this one has its turn.
fn kill_owner<T: Turns>(object: &Arc<T>, cpus: Placement) -> Result<u64> {
    let mut owner = object.invite(Turn::Keep { cpu: cpus.there })?;
    owner.hear()?;
    let is_waiting = AtomicBool::new(false);
    let (killed, taken) = thread::scope(|scope| {
        let killer = scope.spawn(|| {
            pin(cpus.there)?;
            // PAIR waiting: the silence begins after it.
            while !is_waiting.load(Acquire) {
                thread::yield_now();
            }
            work(SILENCE);
            let killed = now();
            owner.kill()?;
            Result::Ok(killed)
        });
        pin(cpus.here)?;
        let mut taken = Duration::ZERO;
        is_waiting.store(true, Release); // PAIR waiting: with the load above.
        object.turn(|| {
            taken = now();
            Ok(())
        })?;
        Result::Ok((killer.join().map_err(|_| "the killer panicked")??, taken))
    })?;
    let taken = taken.checked_sub(killed).ok_or("the turn of a living owner was taken")?;
    match object.total()? {
        1 => Ok(taken.as_nanos() as u64),
        total => Err(format!("{total} turns instead of one").into()),
    }
}
