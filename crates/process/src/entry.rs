//! The entry point: where a process finds out that it is a child.
//!
//! A child that starts this program afresh carries a word in one environment variable. Whoever
//! claimed the entry point looks for it before anything else, takes it out of the environment, and
//! does what it says instead of what the program does.
//!
//! A program claims it with [`init`], at the beginning of `main`. The `main` of a test binary
//! belongs to the test harness, so there it is claimed by [`test_binary!`](crate::test_binary),
//! which puts a function into the list of those that the loader's start-up code calls before
//! `main`. In a process that is not a child that function looks at the one variable and makes a
//! note; nothing else.
//!
//! # Safety
//!
//! The environment is changed only while the process has one thread. A descriptor number is taken
//! over once, at the very start of a process whose parent put descriptors there for it. The list
//! of start-up functions is laid out by the linker: those behind ours have the type that ours has,
//! and would be called next if ours returned.
#![allow(unsafe_code)]

use std::env;
use std::ffi::{c_char, c_int};
use std::os::fd::OwnedFd;

use brigade_codec::Parcel;
use brigade_sys::descriptor::adopt;
use brigade_sys::fork::thread_count;

use crate::child::{self, give_up};
use crate::current;
use crate::inheritance;
use crate::letter::{Letter, Tie};
use crate::spawn::{ARGUMENT, LETTER, LINE, MEMORY, PARENT};
use crate::template;

/// The environment variable that tells a child what it is.
pub(crate) const VARIABLE: &str = "BRIGADE_ENTRY";

/// What a process that starts this program afresh is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// One that runs the task of its letter.
    Child,
    /// The fork server's template.
    Template,
}

impl Role {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Child => "child",
            Self::Template => "template",
        }
    }
}

/// Claims the entry point: call it first in `main`.
///
/// In a process that was started by [`Process::start`](crate::Process::start) it runs the process's
/// function and exits; it does not return. In any other it returns at once, and from then on
/// processes can be started. `#[brigade::main]` puts the call where it belongs.
///
/// What `main` does before runs in every child as well.
///
/// # Panics
///
/// Never. In a child that has started threads before this call, the process ends with a message:
/// its environment cannot be changed safely any more.
pub fn init() {
    if let Some(role) = take_role() {
        enter(role);
    }
    current::state().is_claimed = true;
}

/// Lets the tests of this binary start processes: write it once, outside of all functions.
///
/// ```
/// brigade_process::test_binary!();
///
/// # /*
/// #[test]
/// # */
/// fn a_child_succeeds() {
///     let process = brigade_process::Process::start(|n: u32| assert_eq!(n, 6), 6).unwrap();
///     assert!(process.join().success());
/// }
/// # fn main() { a_child_succeeds() }
/// ```
///
/// Works under `cargo test` and under nextest. It expands to an entry of `.init_array`, the list
/// of functions that run before `main`, because a test binary has no `main` of its own to put
/// [`init`] into. In a process that is not a child it looks at one environment variable and does
/// nothing else.
#[macro_export]
macro_rules! test_binary {
    () => {
        const _: () = {
            // SAFETY: the section holds pointers to functions of this type.
            #[used]
            #[unsafe(link_section = ".init_array")]
            static ENTRY: extern "C" fn(
                i32,
                *const *const ::std::ffi::c_char,
                *const *const ::std::ffi::c_char,
            ) = $crate::claim_test_binary;
        };
    };
}

/// What [`test_binary!`](crate::test_binary) has the loader call.
#[doc(hidden)]
pub extern "C" fn claim_test_binary(
    count: c_int,
    arguments: *const *const c_char,
    environment: *const *const c_char,
) {
    if let Some(role) = take_role() {
        run_later_constructors(count, arguments, environment);
        enter(role);
    }
    current::state().is_claimed = true;
}

/// Whether a child that runs this program finds its way here.
pub(crate) fn is_claimed() -> bool {
    current::state().is_claimed
}

/// Takes the word that this process's parent left for it, so that nothing it starts finds it.
fn take_role() -> Option<Role> {
    let word = env::var_os(VARIABLE)?;
    let threads = thread_count().unwrap_or(0);
    if threads != 1 {
        give_up(&format!(
            "{threads} threads run already; `brigade::init()` must come first in `main`"
        ));
    }
    // SAFETY: no other thread exists that could read the environment meanwhile.
    unsafe { env::remove_var(VARIABLE) };
    match [Role::Child, Role::Template].into_iter().find(|role| word == role.word()) {
        Some(role) => Some(role),
        None => give_up(&format!("{VARIABLE} is {word:?}, which is no role")),
    }
}

fn enter(role: Role) -> ! {
    current::state().is_claimed = true;
    match role {
        Role::Child => enter_child(),
        Role::Template => {
            let socket = inherited(LETTER);
            take_memory();
            template::serve(socket, inherited(PARENT))
        }
    }
}

fn enter_child() -> ! {
    let (letter, bytes) = Letter::read(inherited(LETTER))
        .unwrap_or_else(|error| give_up(&format!("cannot read its letter: {error}")));
    // Before the memory, so that it is entered under the child's own entry.
    if let Err(error) = inheritance::take_seats(&letter.seats) {
        give_up(&error.to_string());
    }
    take_memory();
    let line = (letter.tie == Tie::DiesWithParent).then(|| inherited(LINE));
    let descriptors = (ARGUMENT..).take(letter.descriptors).map(inherited).collect();
    child::settle(&letter, inherited(PARENT), line);
    std::process::exit(child::run_task(&letter, Parcel { bytes, descriptors }))
}

fn take_memory() {
    if let Err(error) = inheritance::adopt(inherited(MEMORY)) {
        give_up(&error.to_string());
    }
}

/// A descriptor that the parent opened for this process.
fn inherited(number: i32) -> OwnedFd {
    // SAFETY: the role says that the parent put its descriptors under these numbers, and each is
    // taken once. Nothing else has run in this process that would own them.
    unsafe { adopt(number) }.unwrap_or_else(|error| give_up(&error.to_string()))
}

/// The type of a function that runs before `main`.
type Constructor = extern "C" fn(c_int, *const *const c_char, *const *const c_char);

// SAFETY: the linker provides both names, at the two ends of the list.
unsafe extern "C" {
    /// Where the list of functions that run before `main` begins. The linker provides it.
    #[link_name = "__init_array_start"]
    static FIRST_CONSTRUCTOR: Option<Constructor>;
    /// Where it ends.
    #[link_name = "__init_array_end"]
    static END_OF_CONSTRUCTORS: Option<Constructor>;
}

/// Calls the functions that would run between ours and `main`: what they set up, the child's
/// function may need, and this call does not return.
fn run_later_constructors(
    count: c_int,
    arguments: *const *const c_char,
    environment: *const *const c_char,
) {
    let mut place = &raw const FIRST_CONSTRUCTOR;
    let end = &raw const END_OF_CONSTRUCTORS;
    let own = claim_test_binary as *const ();
    let mut is_later = false;
    while place < end {
        // SAFETY: between its two ends the list consists of pointers to such functions.
        let constructor = unsafe { place.read() };
        if let Some(constructor) = constructor {
            if is_later {
                constructor(count, arguments, environment);
            }
            is_later = is_later || constructor as *const () == own;
        }
        place = place.wrapping_add(1);
    }
}
