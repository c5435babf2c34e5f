//! A process before it is started.

use std::process::Termination;

use brigade_codec::{Message, Parcel, encode_parcel};
use brigade_shm::transit;

use crate::call::{Task, code_of};
use crate::error::{StartError, Trouble};
use crate::letter::{Letter, Tie};
use crate::method::StartMethod;
use crate::process::Process;
use crate::{entry, fork, fork_server, inheritance, spawn};

/// A process before it is started.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # brigade_process::init();
/// use brigade_process::{Process, StartMethod};
///
/// let process = Process::builder()
///     .name("clerk")
///     .method(StartMethod::ForkServer)
///     .dies_with_parent()
///     .start(|()| assert_eq!(brigade_process::current_process().name, "clerk"), ())?;
/// assert!(process.join().success());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing is started before `start`"]
pub struct ProcessBuilder {
    name: Option<String>,
    method: Option<StartMethod>,
    tie: Tie,
}

impl ProcessBuilder {
    pub(crate) fn new() -> Self {
        Self { name: None, method: None, tie: Tie::Independent }
    }

    /// Gives it a name. The default counts children along the family: `Process-2:1` is the first
    /// child of the second child of the first process.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Says how it is started. The default is [`StartMethod::current_default`].
    pub fn method(mut self, method: StartMethod) -> Self {
        self.method = Some(method);
        self
    }

    /// Ends it with `SIGKILL` when this process is gone, however it went.
    ///
    /// Without this the child goes on. It depends on the process, not on the thread that starts the
    /// child, so that thread may end.
    #[doc(alias = "daemon")]
    pub fn dies_with_parent(mut self) -> Self {
        self.tie = Tie::DiesWithParent;
        self
    }

    /// Starts a process that runs `function` with `argument`: see [`Process::start`].
    ///
    /// By [`Fork`](StartMethod::Fork) the argument is not encoded: the copy has it.
    ///
    /// # Errors
    ///
    /// [`StartError`]; the function does not run then.
    pub fn start<F, A, R>(self, function: F, argument: A) -> Result<Process, StartError>
    where
        F: Fn(A) -> R + Copy + Send + 'static,
        A: Message,
        R: Termination,
    {
        let method = self.method.unwrap_or_else(StartMethod::current_default);
        let letter = Letter::new(self.name, method, self.tie);
        let name = letter.name.clone();
        if method != StartMethod::Fork && !entry::is_claimed() {
            return Err(StartError::NotClaimed { name, method });
        }
        let started = match method {
            StartMethod::Spawn => post(letter, function, argument, spawn::start),
            StartMethod::ForkServer => post(letter, function, argument, fork_server::start_child),
            StartMethod::Fork => fork::start(&letter, || code_of(function(argument))),
        };
        started.map_err(|trouble| trouble.starting(&name))
    }
}

/// Puts the function and its argument into the letter and starts a child with it.
fn post<F, A, R>(
    mut letter: Letter,
    function: F,
    argument: A,
    start: fn(&Letter, Parcel) -> Result<Process, Trouble>,
) -> Result<Process, Trouble>
where
    F: Fn(A) -> R + Copy + Send + 'static,
    A: Message,
    R: Termination,
{
    letter.task = Some(Task::of_main(function)?);
    let (parcel, contents) = transit::gather(|| encode_parcel(&argument));
    let parcel = parcel?;
    letter.descriptors = parcel.descriptors.len();
    // From here on the shared objects in the argument are held in the child's name. If it is not
    // started, or dies before it has read them, nobody waits for it.
    let birth = inheritance::prepare_birth(&contents)?;
    letter.seats = birth.seats().to_vec();
    let process = start(&letter, parcel)?;
    birth.born(process.pid().unsigned_abs());
    Ok(process)
}
