//! What the supervisor does next: one event, one answer.
//!
//! This module decides and the shell acts. It starts no process, reads no clock,
//! draws no random number and opens no file, so every order of events can be tried in a test, and
//! is (`tests.rs`).
//!
//! Three layers, each a small state that can be printed:
//!
//! - A [`Slot`] is one place in a program, for one serving process. Its [`Phase`] says what is in
//!   the place; the processes that were asked to leave it stand beside, in whatever phase it is.
//! - A [`Program`] is a row of equal slots with an [`Edition`], and while it is being replaced a
//!   [`Rollout`]: slot after slot, the new process ready before the old one is asked to leave.
//! - The [`Fleet`] is all programs, and at most one reload, which is a transaction over them: when
//!   every program has rolled, it is committed; when one new process fails, all roll back.
//!
//! ```text
//!  slot     Start           Ready           Replace            Ready (new)
//!   Idle ──────────▶ Starting ────▶ Up ──────────────▶ Reloading ─────────▶ Up
//!     ▲               │  ▲           │  ◀────────────────────┘
//!     │ Retire        │  │ rest over │       new failed
//!     │ (from any)    ▼  │           ▼
//!                   Resting ◀───── ended ─────▶ Finished (its policy wants no successor)
//!
//!   Waiting: the next process starts when those who leave have gone (one-for-one replacement).
//! ```
//!
//! A process is named by its [`Process`], not by its pid: a birth number is used once, so an event
//! that comes late names something the state no longer waits for, and changes nothing. That is why
//! there is no action that cancels a timer, and why draining is not a phase.

mod event;
mod fleet;
mod program;
mod slot;
#[cfg(test)]
mod tests;

pub use event::{
    Action, Change, Edition, End, Event, Generation, Lifetime, Notice, Process, ProgramId,
    Replacement, Role, Timer,
};
pub use fleet::{Fleet, Reload};
pub use program::{Direction, Program, Rollout, Wanted};
pub use slot::{Phase, Slot};
