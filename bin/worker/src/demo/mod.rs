//! The demonstration: one real job over every mechanism, the programs of the notes, and a service
//! that is reloaded under load.
//!
//! The supervisor starts one process with the role `demo`, which feeds and reports, several with
//! the role `job-worker`, and the web workers. The feeder tells the job workers over a unix socket
//! which line to take next, and hands them what the line is made of: that is an [`Invitation`].
//!
//! * [`text`]: where the prose and code comes from, and how it is cut into records.
//! * [`tally`]: the job itself, word frequencies.
//! * [`mod@line`]: what every mechanism must do: carry messages there and back.
//! * [`mechanisms`]: one file for each.
//! * [`run`]: carrying all records over one mechanism, timed and verified.
//! * [`notes`]: six passwords, and the shared counter.
//! * [`service`]: requests without a pause while workers are reloaded and killed.
//! * [`report`], [`plot`]: the table, the JSON file, the chart.
//!
//! [`Invitation`]: mechanisms::Invitation

pub(crate) mod crew;
pub(crate) mod duration;
pub(crate) mod line;
pub(crate) mod mechanisms;
pub(crate) mod notes;
pub(crate) mod operator;
pub(crate) mod pause;
pub(crate) mod plot;
pub(crate) mod report;
pub(crate) mod run;
pub(crate) mod service;
pub(crate) mod tally;
pub(crate) mod text;

/// What stops the demonstration: told to the user, with the mechanism's name.
pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The result of a step of the demonstration.
pub(crate) type Outcome<T> = Result<T, Failure>;
