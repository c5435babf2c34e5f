//! What the machine is told and what it asks for.

use std::fmt;

use crate::policy::{Outcome, Restart};

/// A program, whatever becomes of its name and its settings. Never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProgramId(pub u32);

/// One reload's worth of programs. The first start is generation 1; a reload that fails has used
/// its number up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Generation(pub u32);

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One start of one process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Process {
    /// Whose process it is.
    pub program: ProgramId,
    /// The place it was started for.
    pub slot: u32,
    /// The settings it runs with.
    pub generation: Generation,
    /// Counts all starts; no two processes share it.
    pub birth: u64,
}

/// What the machine must know of a program's settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Edition {
    /// The reload that brought the settings.
    pub generation: Generation,
    /// How many processes the configuration asks for.
    pub count: u32,
    /// How a process takes another's place.
    pub replacement: Replacement,
    /// Which ends lead to a new process.
    pub restart: Restart,
    /// What its end means for the others.
    pub role: Role,
}

/// How a process takes another's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Replacement {
    /// The new one is ready before the old one leaves; at most so many places change at a time.
    Surge(u32),
    /// The old one has gone before the new one starts, place after place.
    OneForOne,
}

/// What the end of a program's process means for the other programs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Role {
    /// Nothing.
    #[default]
    Service,
    /// When it has finished, everything stops, and the supervisor ends with its exit code.
    Main,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// The programs of the first start. None can spoil it for the others.
    Boot(Vec<(ProgramId, Edition)>),
    /// Someone asked for a reload.
    ReloadAsked,
    /// The configuration was read, and this is what is to be done about it.
    Reload(Generation, Vec<Change>),
    /// The configuration was read and is of no use.
    ReloadRefused,
    /// Someone wants a stopped or finished program to run.
    Start(ProgramId),
    /// Someone wants a program not to run.
    Stop(ProgramId),
    /// Someone wants so many processes, or what the configuration says.
    Scale(ProgramId, Option<u32>),
    /// A process says that it serves.
    Ready(Process),
    /// A process has gone, or could not be started.
    Exited(Process, End),
    /// The timer that was last [armed](Action::Arm) for this process has run out.
    Expired(Process),
    /// Everything is to leave, each process within its own time.
    Shutdown,
    /// Everything is to be gone now.
    Halt,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct End {
    /// Whether it says that all was well.
    pub outcome: Outcome,
    /// Whether it had been up long enough for its end to be the first of a series.
    pub lifetime: Lifetime,
}

/// How long a process was up, against its program's `reset_after`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lifetime {
    /// Too short to be called healthy.
    Brief,
    /// Long enough.
    Steady,
}

/// What a reload does to one program. A program that is not mentioned is not touched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Change {
    /// It is new.
    Add(ProgramId, Edition),
    /// Each of its processes gets a successor.
    Roll(ProgramId, Edition),
    /// Only its number of processes changes.
    Resize(ProgramId, u32),
    /// It is no longer wanted.
    Remove(ProgramId),
}

/// Something to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Starts the process. If that fails, the answer is an [`Event::Exited`].
    Spawn(Process),
    /// Asks the process to finish what it holds and leave.
    Terminate(Process),
    /// Ends the process.
    Kill(Process),
    /// Sets the process's timer. Replaces the one it has, and drops an expiry of that one which
    /// has not been delivered yet.
    Arm(Process, Timer),
    /// Reads the configuration; the answer is [`Event::Reload`] or [`Event::ReloadRefused`].
    Read,
    /// Tells whoever wants to know.
    Announce(Notice),
    /// Nothing lives and nothing will: the supervisor can end.
    Finish,
}

/// What a timer is for, and with it how long it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Timer {
    /// The process must be ready by then.
    Startup,
    /// The process must have left by then.
    Drain,
    /// The successor of a failed process starts then.
    Rest {
        /// How many failures in a row there have been.
        failures: u32,
    },
}

/// Something that people and logs want to hear of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Notice {
    /// The process serves.
    Ready(Process),
    /// The process ended or was given up while it was wanted.
    Failed(Process),
    /// The process ended by itself, and its program's policy wants no successor.
    Finished(Process),
    /// A reload is through: every program of it runs in this generation.
    RolledOut(Generation),
    /// A reload is undone, because of this process.
    RolledBack(Generation, Process),
    /// A reload was given up because everything stops.
    Cancelled(Generation),
    /// A program that was removed is gone: nothing of it runs.
    Forgotten(ProgramId),
}
