//! What is set before a model is run, and what can be asked after it.

use std::panic;

use crate::mutant::{Kind, Mutant, Site};
use crate::world;

/// Makes the models of this thread run a mutant of the code.
pub fn mutate(mutant: Option<Mutant>) {
    world::with(|world| world.mutant = mutant);
}

/// Makes the models of this thread note where something is done.
pub fn record() {
    world::with(|world| {
        world.is_recording = true;
        world.sites.clear();
        world.wakes_all.clear();
    });
}

/// A place in the code under test, and what is done there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Where.
    pub site: Site,
    /// What.
    pub kind: Kind,
    /// Whether it has an ordering that could be weaker.
    pub is_ordered: bool,
    /// Whether everyone is woken there.
    pub wakes_all: bool,
}

/// The places that were noted since [`record`].
pub fn places() -> Vec<Place> {
    world::with(|world| {
        let all = world.sites.iter().map(|(&(site, kind), &is_ordered)| Place {
            site,
            kind,
            is_ordered,
            wakes_all: kind == Kind::Wake && world.wakes_all.contains(&site),
        });
        all.filter(|place| place.site.is_under_test()).collect()
    })
}

/// Makes the first failure end the process, after it has said what happened.
pub fn end_at_failure() {
    panic::set_hook(Box::new(move |failure| {
        if world::try_with(|world| world.must_restart) == Some(true) {
            return;
        }
        let told = world::try_with(|world| (world.victim, world.history()));
        if let Some((victim, history)) = told {
            eprint!("{history}");
            if let Some((name, step)) = victim {
                eprintln!("  ({name} dies before its step {step})");
            }
        }
        eprintln!("{failure}");
        // Without an end of threads: the actors are in the middle of something.
        std::process::abort();
    }));
}
