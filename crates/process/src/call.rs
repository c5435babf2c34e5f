//! Functions as values that travel: a [`Task`] names a function of this program.
//!
//! Every process of a program runs the same file, so a function lies at the same distance from the
//! start of the program's image in all of them, wherever the loader has put it. A [`Task`] is that
//! distance, and a check value made of it and the build of the program.
//!
//! What a task points to is not the function itself but a small function of this module, made by
//! the compiler for each function, argument and result: it decodes the argument, calls, catches a
//! panic and encodes the result. It has the same signature for all of them.
//!
//! ```
//! use brigade_process::call::{CallError, Task};
//!
//! fn square(n: i64) -> i64 {
//!     assert!(n >= 0, "{n} is negative");
//!     n * n
//! }
//!
//! let task = Task::of(square)?;
//! let result = task.call(&brigade_codec::encode(&12_i64)?)?;
//! assert_eq!(brigade_codec::decode::<i64>(&result)?, 144);
//!
//! let panicked = task.call(&brigade_codec::encode(&-1_i64)?);
//! assert!(matches!(panicked, Err(CallError::Panicked { message }) if message == "-1 is negative"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A closure that captures something has no place in the program's code:
//!
//! ```compile_fail
//! let factor = 3;
//! let task = brigade_process::call::Task::of(move |n: i64| n * factor);
//! ```
//!
//! # Safety
//!
//! Two steps cannot be checked by the compiler. A function's value is made out of nothing: it has
//! no bytes, and `Copy` says that there may be any number of it. An address is turned back into a
//! function: it is the address of one, because its check value matches, and only [`Task::of`] makes
//! check values, out of the address of a function with exactly this signature in exactly this
//! build. The check guards against mistakes (another program, another build, a torn message); who
//! can write into this program's memory and messages at will can run code in it anyway.
#![allow(unsafe_code)]

use std::any::Any;
use std::hash::{DefaultHasher, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{ExitCode, Termination};
use std::ptr::{self, NonNull};

use brigade_codec::{DecodeError, EncodeError, Message, Parcel};
use brigade_codec::{decode, decode_parcel, encode, encode_parcel};
use brigade_shm::transit::Packed;
use brigade_sys::image::Image;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::inheritance::receive;

/// A function of this program, as a small value that other processes of the program understand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Task {
    /// From the start of the program's image to the function.
    offset: u64,
    /// Made of the offset and the program's build.
    check: u64,
}

/// A function that cannot be named, or a name without a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TaskError {
    /// The function lies in a library that was loaded at run time, not in the main program.
    #[error("the function is not part of the main program, so other processes cannot find it")]
    Elsewhere,
    /// The task was made by another program or another build of this one, or is damaged.
    #[error("the task was made by another build of this program, or is damaged")]
    OtherBuild,
}

/// A call without a result.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CallError {
    /// The task names no function of this program.
    #[error("cannot call task: {0}")]
    Task(#[from] TaskError),
    /// The argument could not be read.
    #[error("cannot read the task's argument: {0}")]
    Argument(#[source] DecodeError),
    /// The function panicked.
    #[error("the task panicked: {message}")]
    Panicked {
        /// What it said.
        message: String,
    },
    /// The result could not be encoded.
    #[error("cannot send the task's result: {0}")]
    Result(#[source] EncodeError),
}

/// What a task points to.
type Trampoline = fn(Input<'_>) -> Result<Output, CallError>;

/// An argument on its way in.
enum Input<'a> {
    Bytes(&'a [u8]),
    Packed(Packed),
    Parcel(Parcel),
    Letter(Parcel),
}

/// The result on its way out, in the form of the argument; that of a letter is a parcel.
enum Output {
    Bytes(Vec<u8>),
    Packed(Packed),
    Parcel(Parcel),
}

impl Task {
    /// Names `function`, whose argument and result are messages: an `fn` item, or a closure that
    /// captures nothing.
    ///
    /// # Errors
    ///
    /// [`TaskError::Elsewhere`] if this code is not linked into the main program.
    pub fn of<F, A, R>(function: F) -> Result<Self, TaskError>
    where
        F: Fn(A) -> R + Copy + Send + 'static,
        A: Message,
        R: Message,
    {
        let _ = function;
        Self::of_trampoline(call_for_message::<F, A, R>)
    }

    /// Names `function`, whose result is an exit code, as that of `main` is. The task's result is
    /// the code as an `i32`.
    ///
    /// # Errors
    ///
    /// [`TaskError::Elsewhere`] if this code is not linked into the main program.
    pub fn of_main<F, A, R>(function: F) -> Result<Self, TaskError>
    where
        F: Fn(A) -> R + Copy + Send + 'static,
        A: Message,
        R: Termination,
    {
        let _ = function;
        Self::of_trampoline(call_for_code::<F, A, R>)
    }

    /// Calls the function in this process, with an encoded argument, and returns the encoded
    /// result.
    ///
    /// # Errors
    ///
    /// [`CallError`]. A panic is caught and reported as [`CallError::Panicked`].
    pub fn call(&self, argument: &[u8]) -> Result<Vec<u8>, CallError> {
        match self.resolve()?(Input::Bytes(argument))? {
            Output::Bytes(bytes) => Ok(bytes),
            Output::Packed(_) | Output::Parcel(_) => Err(CallError::OTHER_FORM),
        }
    }

    /// As [`call`](Self::call), with an argument and a result that may hold handles of shared
    /// objects. The argument is let go when it has been read, before the function runs.
    ///
    /// # Errors
    ///
    /// As [`call`](Self::call).
    pub fn call_packed(&self, argument: Packed) -> Result<Packed, CallError> {
        match self.resolve()?(Input::Packed(argument))? {
            Output::Packed(packed) => Ok(packed),
            Output::Bytes(_) | Output::Parcel(_) => Err(CallError::OTHER_FORM),
        }
    }

    /// As [`call`](Self::call), with an argument and a result that may hold descriptors.
    ///
    /// # Errors
    ///
    /// As [`call`](Self::call).
    pub fn call_parcel(&self, argument: Parcel) -> Result<Parcel, CallError> {
        self.resolve()?(Input::Parcel(argument))?.into_parcel()
    }

    /// As [`call_parcel`](Self::call_parcel), with an argument that this process's parent gave it.
    pub(crate) fn call_letter(&self, argument: Parcel) -> Result<Parcel, CallError> {
        self.resolve()?(Input::Letter(argument))?.into_parcel()
    }

    fn of_trampoline(trampoline: Trampoline) -> Result<Self, TaskError> {
        let image = Image::program();
        let address = (trampoline as *const ()).expose_provenance();
        if !image.contains(address) {
            return Err(TaskError::Elsewhere);
        }
        let offset = address.wrapping_sub(image.base) as u64;
        Ok(Self { offset, check: check_of(offset, image) })
    }

    fn resolve(&self) -> Result<Trampoline, TaskError> {
        let image = Image::program();
        let address = usize::try_from(self.offset)
            .map_err(|_| TaskError::OtherBuild)?
            .wrapping_add(image.base);
        if self.check != check_of(self.offset, image) || !image.contains(address) {
            return Err(TaskError::OtherBuild);
        }
        let function: *const () = ptr::with_exposed_provenance(address);
        // SAFETY: the check value says that a process that runs the same build of this program
        // made the offset out of the address of a `Trampoline`; code lies at the same distance
        // from the image's base in both. A function pointer and a data pointer have the same size
        // and form on Linux.
        Ok(unsafe { ptr::from_ref(&function).cast::<Trampoline>().read() })
    }
}

fn check_of(offset: u64, image: &Image) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(b"brigade task");
    hasher.write(&image.build);
    hasher.write_u64(offset);
    hasher.finish()
}

fn call_for_message<F, A, R>(input: Input<'_>) -> Result<Output, CallError>
where
    F: Fn(A) -> R + Copy + Send + 'static,
    A: Message,
    R: Message,
{
    let function = conjure::<F>();
    catch(|| input.deliver(|argument| Ok(function(argument))))
}

fn call_for_code<F, A, R>(input: Input<'_>) -> Result<Output, CallError>
where
    F: Fn(A) -> R + Copy + Send + 'static,
    A: Message,
    R: Termination,
{
    let function = conjure::<F>();
    catch(|| input.deliver(|argument| Ok(code_of(function(argument)))))
}

impl Input<'_> {
    /// Decodes the argument, hands it to `work` and encodes what comes back.
    fn deliver<A, R>(
        self,
        work: impl FnOnce(A) -> Result<R, CallError>,
    ) -> Result<Output, CallError>
    where
        A: DeserializeOwned,
        R: Message,
    {
        match self {
            Self::Bytes(bytes) => {
                let result = work(decode(bytes).map_err(CallError::Argument)?)?;
                encode(&result).map(Output::Bytes).map_err(CallError::Result)
            }
            Self::Packed(packed) => {
                let argument = packed.read(|bytes| decode(bytes)).map_err(CallError::Argument)?;
                drop(packed);
                Packed::of(&work(argument)?).map(Output::Packed).map_err(CallError::Result)
            }
            Self::Parcel(parcel) => {
                let result = work(decode_parcel(parcel).map_err(CallError::Argument)?)?;
                encode_parcel(&result).map(Output::Parcel).map_err(CallError::Result)
            }
            Self::Letter(parcel) => {
                let result = work(receive(parcel).map_err(CallError::Argument)?)?;
                encode_parcel(&result).map(Output::Parcel).map_err(CallError::Result)
            }
        }
    }
}

impl Output {
    fn into_parcel(self) -> Result<Parcel, CallError> {
        match self {
            Self::Parcel(parcel) => Ok(parcel),
            Self::Bytes(_) | Self::Packed(_) => Err(CallError::OTHER_FORM),
        }
    }
}

impl CallError {
    /// A result in another form than the argument's: the code that a task points to gives none.
    const OTHER_FORM: Self = Self::Task(TaskError::OtherBuild);
}

/// The one value of a type without bytes.
fn conjure<F: Copy>() -> F {
    const {
        assert!(size_of::<F>() == 0, "a task is an `fn` item or a closure that captures nothing");
    }
    // SAFETY: reading no bytes through an aligned pointer that is not null is always allowed. The
    // type has a value, because `Task::of` was given one, and `Copy` allows another.
    unsafe { NonNull::<F>::dangling().read() }
}

/// Runs `work` and makes an error of its panic.
pub(crate) fn catch<R>(work: impl FnOnce() -> Result<R, CallError>) -> Result<R, CallError> {
    // What a panic leaves half done is the argument, which is gone, or shared with other processes,
    // where it is as if this one had died.
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let message = message_of(panic.as_ref());
        // A payload may panic when it is dropped, and nobody could tell what it means.
        std::mem::forget(panic);
        Err(CallError::Panicked { message })
    })
}

/// What a panic said, as far as it is a text.
pub fn message_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "with a value that is not a text".to_owned())
}

/// The exit code that a program would have whose `main` returned `result`.
pub(crate) fn code_of(result: impl Termination) -> i32 {
    let code = result.report();
    // An exit code shows its number to nobody, but can be compared.
    (0..=u8::MAX).find(|number| ExitCode::from(*number) == code).map_or(1, i32::from)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

    use std::os::fd::OwnedFd;

    use brigade_codec::Descriptor;

    use super::*;

    fn twice(text: String) -> String {
        text.repeat(2)
    }

    #[test]
    fn a_function_is_called_through_its_task() {
        let task: Task = decode(&encode(&Task::of(twice).unwrap()).unwrap()).unwrap();
        let result = task.call(&encode("ab").unwrap()).unwrap();
        assert_eq!(decode::<String>(&result).unwrap(), "abab");
    }

    #[test]
    fn closures_that_capture_nothing_are_functions_and_differ() {
        let add = Task::of(|(a, b): (i32, i32)| a + b).unwrap();
        let subtract = Task::of(|(a, b): (i32, i32)| a - b).unwrap();
        assert_ne!(add, subtract);
        let argument = encode(&(5, 3)).unwrap();
        assert_eq!(decode::<i32>(&add.call(&argument).unwrap()).unwrap(), 8);
        assert_eq!(decode::<i32>(&subtract.call(&argument).unwrap()).unwrap(), 2);
    }

    #[test]
    fn every_damaged_task_is_refused() {
        let task = Task::of(twice).unwrap();
        let argument = encode("x").unwrap();
        for bit in 0..64 {
            let moved = Task { offset: task.offset ^ 1 << bit, ..task };
            let forged = Task { check: task.check ^ 1 << bit, ..task };
            for damaged in [moved, forged] {
                let error = damaged.call(&argument).unwrap_err();
                assert!(matches!(error, CallError::Task(TaskError::OtherBuild)), "{error}");
            }
        }
    }

    #[test]
    fn a_panic_a_wrong_argument_and_a_wrong_result_are_data() {
        let panics = Task::of(|_: u8| -> u8 { std::panic::panic_any(7_u8) }).unwrap();
        let error = panics.call(&[1]).unwrap_err();
        assert!(error.to_string().contains("not a text"), "{error}");

        let error = Task::of(twice).unwrap().call(&[9]).unwrap_err();
        assert!(matches!(error, CallError::Argument(_)), "{error}");

        let opens = Task::of(|path: String| {
            Descriptor::from(OwnedFd::from(std::fs::File::open(path).unwrap()))
        })
        .unwrap();
        let argument = encode("/dev/null").unwrap();
        let error = opens.call(&argument).unwrap_err();
        assert!(matches!(error, CallError::Result(_)), "a descriptor needs a parcel: {error}");
        let parcel = Parcel { bytes: argument, descriptors: Vec::new() };
        assert_eq!(opens.call_parcel(parcel).unwrap().descriptors.len(), 1);
    }

    #[test]
    fn an_exit_code_keeps_its_number() {
        for number in 0..=u8::MAX {
            assert_eq!(code_of(ExitCode::from(number)), i32::from(number));
        }
        assert_eq!(code_of(()), 0);
        assert_eq!(code_of(Err::<(), _>("wrong")), 1);
    }
}
