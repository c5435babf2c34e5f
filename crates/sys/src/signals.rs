//! Signals: their names, sets of them, what this process does with them, and a descriptor that
//! receives them.
//!
//! Standard signals merge: a hundred `SIGHUP` sent while it is blocked arrive as one. A received
//! signal therefore says "at least once since", and is never a counter.
//!
//! # Safety
//!
//! The kernel's calls are made directly with its own 64-bit set, because the C library's sets
//! leave out the two signals that it keeps for itself and its functions are not all safe to call
//! between fork and exec. Every call hands the kernel pointers to live values of exactly the size
//! that it is told.
#![allow(unsafe_code)]

use std::fmt;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr;
use std::str::FromStr;

use crate::Error;
use crate::wait::{Sleep, Waitable};

/// A signal's number, from 1 to 64.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signal(u8);

/// The standard signals by name.
const NAMES: &[(&str, Signal)] = &[
    ("HUP", Signal::HUP),
    ("INT", Signal::INT),
    ("QUIT", Signal::QUIT),
    ("ILL", Signal(libc::SIGILL as u8)),
    ("TRAP", Signal(libc::SIGTRAP as u8)),
    ("ABRT", Signal::ABRT),
    ("BUS", Signal::BUS),
    ("FPE", Signal(libc::SIGFPE as u8)),
    ("KILL", Signal::KILL),
    ("USR1", Signal::USR1),
    ("SEGV", Signal::SEGV),
    ("USR2", Signal::USR2),
    ("PIPE", Signal::PIPE),
    ("ALRM", Signal::ALRM),
    ("TERM", Signal::TERM),
    ("CHLD", Signal::CHLD),
    ("CONT", Signal::CONT),
    ("STOP", Signal::STOP),
    ("TSTP", Signal::TSTP),
    ("TTIN", Signal::TTIN),
    ("TTOU", Signal::TTOU),
    ("URG", Signal(libc::SIGURG as u8)),
    ("XCPU", Signal(libc::SIGXCPU as u8)),
    ("XFSZ", Signal(libc::SIGXFSZ as u8)),
    ("VTALRM", Signal(libc::SIGVTALRM as u8)),
    ("PROF", Signal(libc::SIGPROF as u8)),
    ("WINCH", Signal::WINCH),
    ("IO", Signal(libc::SIGIO as u8)),
    ("PWR", Signal(libc::SIGPWR as u8)),
    ("SYS", Signal(libc::SIGSYS as u8)),
];

impl Signal {
    /// `SIGHUP`: the terminal has gone; by custom, read the configuration again.
    pub const HUP: Self = Self(libc::SIGHUP as u8);
    /// `SIGINT`: the user pressed the interrupt key.
    pub const INT: Self = Self(libc::SIGINT as u8);
    /// `SIGQUIT`: the user pressed the quit key.
    pub const QUIT: Self = Self(libc::SIGQUIT as u8);
    /// `SIGABRT`: the process gave itself up.
    pub const ABRT: Self = Self(libc::SIGABRT as u8);
    /// `SIGBUS`: memory that the kernel could not provide.
    pub const BUS: Self = Self(libc::SIGBUS as u8);
    /// `SIGKILL`: cannot be caught, blocked or ignored.
    pub const KILL: Self = Self(libc::SIGKILL as u8);
    /// `SIGUSR1`: free for the program.
    pub const USR1: Self = Self(libc::SIGUSR1 as u8);
    /// `SIGSEGV`: memory that does not belong to the process.
    pub const SEGV: Self = Self(libc::SIGSEGV as u8);
    /// `SIGUSR2`: free for the program.
    pub const USR2: Self = Self(libc::SIGUSR2 as u8);
    /// `SIGPIPE`: a write to a pipe without a reader.
    pub const PIPE: Self = Self(libc::SIGPIPE as u8);
    /// `SIGALRM`: a timer ran out.
    pub const ALRM: Self = Self(libc::SIGALRM as u8);
    /// `SIGTERM`: the request to end.
    pub const TERM: Self = Self(libc::SIGTERM as u8);
    /// `SIGCHLD`: a child ended, stopped or went on.
    pub const CHLD: Self = Self(libc::SIGCHLD as u8);
    /// `SIGCONT`: go on after a stop.
    pub const CONT: Self = Self(libc::SIGCONT as u8);
    /// `SIGSTOP`: stop; cannot be caught, blocked or ignored.
    pub const STOP: Self = Self(libc::SIGSTOP as u8);
    /// `SIGTSTP`: the user pressed the suspend key.
    pub const TSTP: Self = Self(libc::SIGTSTP as u8);
    /// `SIGTTIN`: a background process read from its terminal.
    pub const TTIN: Self = Self(libc::SIGTTIN as u8);
    /// `SIGTTOU`: a background process wrote to its terminal.
    pub const TTOU: Self = Self(libc::SIGTTOU as u8);
    /// `SIGWINCH`: the terminal's size changed.
    pub const WINCH: Self = Self(libc::SIGWINCH as u8);

    /// The signal with this number, or `None` outside 1 to 64.
    pub fn from_number(number: i32) -> Option<Self> {
        u8::try_from(number).ok().filter(|number| (1..=64).contains(number)).map(Self)
    }

    /// The number.
    pub fn number(self) -> i32 {
        i32::from(self.0)
    }
}

impl fmt::Display for Signal {
    /// Writes `SIGTERM`, or `signal 40` for one without a name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match NAMES.iter().find(|(_, signal)| signal == self) {
            Some((name, _)) => write!(f, "SIG{name}"),
            None => write!(f, "signal {}", self.0),
        }
    }
}

impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that names no signal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownSignal(String);

impl fmt::Display for UnknownSignal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not a signal: expected a name such as TERM or a number 1 to 64", self.0)
    }
}

impl std::error::Error for UnknownSignal {}

impl FromStr for Signal {
    type Err = UnknownSignal;

    /// Reads `TERM`, `SIGTERM` or `15`.
    fn from_str(text: &str) -> Result<Self, UnknownSignal> {
        let name = text.strip_prefix("SIG").unwrap_or(text);
        NAMES
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, signal)| *signal)
            .or_else(|| text.parse().ok().and_then(Self::from_number))
            .ok_or_else(|| UnknownSignal(text.to_owned()))
    }
}

/// A set of signals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signals(u64);

impl Signals {
    /// No signal.
    pub const NONE: Self = Self(0);
    /// Every signal. The kernel leaves `SIGKILL` and `SIGSTOP` out wherever it takes a set.
    pub const ALL: Self = Self(u64::MAX);

    /// The set of exactly these.
    pub const fn of(signals: &[Signal]) -> Self {
        let (mut set, mut index) = (0, 0);
        while index < signals.len() {
            set |= 1 << (signals[index].0 - 1);
            index += 1;
        }
        Self(set)
    }

    /// Whether `signal` is in the set.
    pub fn contains(self, signal: Signal) -> bool {
        self.0 & 1 << (signal.0 - 1) != 0
    }
}

/// Blocks `signals` for this thread in addition to what it blocks, and returns the mask before.
///
/// A thread that is started later inherits the mask, so a program blocks before it starts threads.
pub fn block(signals: Signals) -> Result<Signals, Error> {
    change_mask(libc::SIG_BLOCK, signals)
}

/// Lets `signals` through to this thread again, and returns the mask before.
pub fn unblock(signals: Signals) -> Result<Signals, Error> {
    change_mask(libc::SIG_UNBLOCK, signals)
}

/// Makes `signals` the whole mask of this thread, and returns the mask before.
pub fn set_mask(signals: Signals) -> Result<Signals, Error> {
    change_mask(libc::SIG_SETMASK, signals)
}

/// The signals that this thread blocks.
pub fn mask() -> Result<Signals, Error> {
    change_mask(libc::SIG_BLOCK, Signals::NONE)
}

/// Ignores `signal` in this process. A process started by [`launch`](crate::launch) does not
/// inherit that.
pub fn ignore(signal: Signal) -> Result<(), Error> {
    set_disposition(signal, libc::SIG_IGN)
        .map_err(|source| Error::new("ignore", signal.to_string(), source))
}

/// Gives `signal` its default effect on this process again.
pub fn restore_default(signal: Signal) -> Result<(), Error> {
    set_disposition(signal, libc::SIG_DFL)
        .map_err(|source| Error::new("restore the default of", signal.to_string(), source))
}

/// Gives every signal its default effect on this process, and lets all through to this thread.
///
/// Makes system calls only, so it may run between fork and exec. What the C library was told
/// about its handlers is not read back from the kernel: a handler registry in this process no
/// longer matches.
pub fn reset_all() -> io::Result<()> {
    for number in 1..=64 {
        let signal = Signal(number);
        if signal != Signal::KILL && signal != Signal::STOP {
            set_disposition(signal, libc::SIG_DFL)?;
        }
    }
    change_mask_raw(libc::SIG_SETMASK, Signals::NONE).map(|_| ())
}

fn change_mask(how: i32, signals: Signals) -> Result<Signals, Error> {
    change_mask_raw(how, signals)
        .map_err(|source| Error::new("change", "the signal mask of this thread", source))
}

fn change_mask_raw(how: i32, signals: Signals) -> io::Result<Signals> {
    let mut before = 0_u64;
    // SAFETY: both pointers are to live 64-bit sets, and the last argument says that size.
    let result = unsafe {
        libc::syscall(
            libc::SYS_rt_sigprocmask,
            how,
            ptr::from_ref(&signals.0),
            ptr::from_mut(&mut before),
            size_of::<u64>(),
        )
    };
    if result == 0 { Ok(Signals(before)) } else { Err(io::Error::last_os_error()) }
}

/// What `rt_sigaction` takes. `SIG_DFL` and `SIG_IGN` need neither flags nor a restorer.
#[repr(C)]
struct Disposition {
    handler: usize,
    flags: libc::c_ulong,
    restorer: usize,
    mask: u64,
}

fn set_disposition(signal: Signal, handler: usize) -> io::Result<()> {
    let new = Disposition { handler, flags: 0, restorer: 0, mask: 0 };
    // SAFETY: the pointer is to a live structure in the kernel's layout, whose handler is one of
    // the two that are not addresses; no old value is asked for; the last argument is the set's
    // size.
    let result = unsafe {
        libc::syscall(
            libc::SYS_rt_sigaction,
            signal.number(),
            ptr::from_ref(&new),
            ptr::null_mut::<Disposition>(),
            size_of::<u64>(),
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// A signal that a [`SignalDescriptor`] received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    /// Which signal.
    pub signal: Signal,
    /// The process that sent it; `None` when the kernel did.
    pub sender: Option<i32>,
    /// The real user id of the sender.
    pub sender_uid: u32,
}

/// A descriptor on which blocked signals arrive as messages (`signalfd`).
///
/// Receives the signals sent to the process or to the thread that reads. They must be blocked in
/// every thread, or the kernel delivers them the ordinary way.
#[derive(Debug)]
pub struct SignalDescriptor(OwnedFd);

impl SignalDescriptor {
    /// Blocks `signals` for this thread and opens a descriptor for them.
    ///
    /// Call it before other threads are started, so that they inherit the mask.
    pub fn open(signals: Signals) -> Result<Self, Error> {
        block(signals)?;
        // SAFETY: -1 asks for a new descriptor; the pointer is to a live 64-bit set, and the third
        // argument says that size.
        let result = unsafe {
            libc::syscall(
                libc::SYS_signalfd4,
                -1,
                ptr::from_ref(&signals.0),
                size_of::<u64>(),
                libc::SFD_CLOEXEC | libc::SFD_NONBLOCK,
            )
        };
        let number = i32::try_from(result).unwrap_or(-1);
        if number < 0 {
            return Err(Error::new("open", "a signal descriptor", io::Error::last_os_error()));
        }
        // SAFETY: the kernel just opened this descriptor for us, and nothing else knows it.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(number) }))
    }

    /// Takes one signal that has arrived, or `None`. Does not wait.
    pub fn try_read(&self) -> Result<Option<Received>, Error> {
        let mut info = MaybeUninit::<libc::signalfd_siginfo>::uninit();
        // SAFETY: the buffer is a live value of the size given, and any bytes may be written to it.
        let count = unsafe {
            libc::read(
                self.0.as_raw_fd(),
                info.as_mut_ptr().cast(),
                size_of::<libc::signalfd_siginfo>(),
            )
        };
        if usize::try_from(count) != Ok(size_of::<libc::signalfd_siginfo>()) {
            let source = io::Error::last_os_error();
            return match source.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => Ok(None),
                _ => Err(Error::new("read", "a signal descriptor", source)),
            };
        }
        // SAFETY: the kernel filled the whole structure, which consists of integers only.
        let info = unsafe { info.assume_init() };
        let signal = i32::try_from(info.ssi_signo).ok().and_then(Signal::from_number);
        let from_process = matches!(info.ssi_code, libc::SI_USER | libc::SI_TKILL | libc::SI_QUEUE);
        Ok(signal.map(|signal| Received {
            signal,
            sender: from_process.then(|| i32::try_from(info.ssi_pid).unwrap_or(0)),
            sender_uid: info.ssi_uid,
        }))
    }
}

impl AsFd for SignalDescriptor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Waitable for SignalDescriptor {
    fn is_ready(&self) -> bool {
        crate::descriptor::is_readable(self.0.as_fd())
    }

    fn prepare<'a>(&'a self, sleep: &mut Sleep<'a>) {
        sleep.descriptor(self.0.as_fd());
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

    use super::*;

    #[test]
    fn a_signal_is_read_by_either_name_or_by_number() {
        assert_eq!("TERM".parse(), Ok(Signal::TERM));
        assert_eq!("SIGTERM".parse(), Ok(Signal::TERM));
        assert_eq!("15".parse(), Ok(Signal::TERM));
        assert_eq!(Signal::TERM.to_string(), "SIGTERM");
        for (name, signal) in NAMES {
            assert_eq!(name.parse(), Ok(*signal));
        }
    }

    #[test]
    fn a_text_that_names_no_signal_is_an_error_that_shows_it() {
        for text in ["", "SIG", "TERMINATE", "0", "65", "-9", "term"] {
            let error = text.parse::<Signal>().unwrap_err();
            assert!(error.to_string().contains(&format!("`{text}`")), "{error}");
        }
    }

    #[test]
    fn blocking_adds_and_unblocking_takes_away() {
        let before = block(Signals::of(&[Signal::USR1])).unwrap();
        assert!(mask().unwrap().contains(Signal::USR1));
        unblock(Signals::of(&[Signal::USR1])).unwrap();
        assert!(!mask().unwrap().contains(Signal::USR1));
        set_mask(before).unwrap();
        assert_eq!(mask().unwrap(), before);
    }

    #[test]
    fn a_blocked_signal_arrives_on_the_descriptor_with_its_sender() {
        let descriptor = SignalDescriptor::open(Signals::of(&[Signal::USR2])).unwrap();
        assert_eq!(descriptor.try_read().unwrap(), None);
        // To this thread, because other tests' threads do not block it.
        // SAFETY: sends a signal, which this thread blocks, to this thread.
        assert_eq!(unsafe { libc::raise(Signal::USR2.number()) }, 0);
        assert!(descriptor.is_ready());
        let received = descriptor.try_read().unwrap().unwrap();
        assert_eq!(received.signal, Signal::USR2);
        assert_eq!(received.sender, i32::try_from(std::process::id()).ok());
        assert_eq!(descriptor.try_read().unwrap(), None);
    }
}
