//! What the kernel knows of this thread: its id, and the list of words it must mark if we die.
//!
//! The C library registers one robust list head per thread. We put our own nodes on the same list
//! (a second head would disable the library's robust mutexes in this thread), so the layout of a
//! node is the library's: the word lies 32 bytes before the link.
//!
//! See [the kernel's description](https://docs.kernel.org/locking/robust-futexes.html).
//!
//! # Safety
//!
//! The head belongs to the calling thread alone: it is read and written only by this thread, and by
//! the kernel after the thread has ended. Its address is valid for the thread's whole life. The
//! cached address is thread-local; a forked child forgets it before it runs anything else.
//!
//! A list belongs to one thread: no other writes to its nodes. `read`, `write` and
//! `set_previous` take the links that `held` knows: the head, the locks of its note, and nodes of
//! the C library reached from these.
#![allow(unsafe_code)]

use std::cell::Cell;
use std::io;
use std::ptr;
use std::sync::Once;
#[cfg(feature = "mutations")]
use std::sync::atomic::AtomicBool;
use std::sync::atomic::{AtomicU32, Ordering, compiler_fence};

use crate::{barrier, held};

/// How many bytes before its link a robust word lies.
pub const ROBUST_OFFSET: usize = 32;

/// The kernel's `struct robust_list_head`.
#[repr(C)]
pub(crate) struct RobustListHead {
    /// The first link, or this field's own address when the list is empty.
    pub(crate) list: *mut Link,
    /// From a link to its word, in bytes.
    futex_offset: libc::c_long,
    /// The link whose word is being acquired or released.
    pending: *mut Link,
}

/// What stands in a list: the address of the next link. The address of the previous one lies in
/// the eight bytes before it.
#[repr(C)]
pub(crate) struct Link {
    pub(crate) next: *mut Link,
}

/// This thread as the kernel sees it. Cheap to copy, useless in another thread.
#[derive(Clone, Copy)]
pub(crate) struct Thread {
    /// The kernel's id of this thread, as it stands in lock words.
    pub(crate) tid: u32,
    head: *mut RobustListHead,
}

static FORK_GENERATION: AtomicU32 = AtomicU32::new(0);
static FORK_HANDLER: Once = Once::new();

/// Set by a test that wants to see a missing `set_pending` noticed.
#[cfg(feature = "mutations")]
pub static FORGETS_PENDING: AtomicBool = AtomicBool::new(false);

thread_local! {
    static CURRENT: Cell<Thread> = const { Cell::new(Thread::UNKNOWN) };
}

pub(crate) extern "C" fn after_fork_in_child() {
    FORK_GENERATION.fetch_add(1, Ordering::Relaxed);
    // The one thread that the child has is this one, under another id.
    CURRENT.set(Thread::UNKNOWN);
}

/// How often this process is the child of a fork since the counter's first use in an ancestor.
///
/// What a process remembers about itself (its id, its threads) is stale when this has changed.
#[inline]
pub fn fork_generation() -> u32 {
    if !FORK_HANDLER.is_completed() {
        FORK_HANDLER.call_once(|| {
            // SAFETY: the handler only adds to an atomic, which is allowed after a fork. It fails
            // only for want of memory at start-up; then forked children keep the parent's number.
            let _ = unsafe { libc::pthread_atfork(None, None, Some(after_fork_in_child)) };
        });
    }
    FORK_GENERATION.load(Ordering::Relaxed)
}

/// Checks that the kernel and the C library keep the robust list in the shape that we rely on.
///
/// # Errors
///
/// Returns an error of kind [`Unsupported`](io::ErrorKind::Unsupported) where they do not.
pub fn check_robust_list() -> io::Result<()> {
    Thread::look_up().map(|_| ())
}

impl Thread {
    /// No thread: the kernel never gives the id zero.
    const UNKNOWN: Self = Self { tid: 0, head: ptr::null_mut() };

    /// The calling thread.
    ///
    /// # Panics
    ///
    /// Panics where [`check_robust_list`] fails; every way into shared memory has called it.
    #[inline]
    pub(crate) fn current() -> Self {
        let thread = CURRENT.get();
        // Of a forked child it is not known: see `after_fork_in_child`.
        if thread.tid != Self::UNKNOWN.tid { thread } else { Self::get_to_know() }
    }

    #[cold]
    fn get_to_know() -> Self {
        let thread = Self::look_up().expect("the robust list was checked when memory was mapped");
        held::forget_all();
        barrier::prepare();
        CURRENT.set(thread);
        thread
    }

    fn look_up() -> io::Result<Self> {
        let mut head: *mut RobustListHead = ptr::null_mut();
        let mut length: libc::size_t = 0;
        // SAFETY: get_robust_list(0, &head, &length) writes one pointer and one length.
        let result =
            unsafe { libc::syscall(libc::SYS_get_robust_list, 0, &raw mut head, &raw mut length) };
        if result != 0 {
            return Err(io::Error::last_os_error());
        }
        if head.is_null() || length != size_of::<RobustListHead>() {
            return Err(unsupported("this thread has no robust list"));
        }
        // SAFETY: the kernel returned the registered head of this thread, which the C library
        // keeps for the thread's life.
        let offset = unsafe { (*head).futex_offset };
        if usize::try_from(-offset) != Ok(ROBUST_OFFSET) {
            return Err(unsupported("the C library keeps its robust list in another shape"));
        }
        let tid = rustix::thread::gettid().as_raw_nonzero().get().cast_unsigned();
        // Sees to it that a fork is noticed from now on.
        fork_generation();
        Ok(Self { tid, head })
    }

    /// Announces that the word 32 bytes before `link` is about to be acquired, released or rung.
    ///
    /// If this thread dies before [`clear_pending`](Self::clear_pending), the kernel looks at the
    /// word: it marks a word that we own, and wakes one sleeper of a word that nobody owns.
    #[inline]
    pub(crate) fn set_pending(self, link: *mut Link) {
        #[cfg(feature = "mutations")]
        let link = if FORGETS_PENDING.load(Ordering::Relaxed) { ptr::null_mut() } else { link };
        // SAFETY: `head` is this thread's registered head.
        let pending = unsafe { &raw mut (*self.head).pending };
        // SAFETY: a plain field of a live structure that only this thread writes. Volatile,
        // because the reader is the kernel.
        unsafe { pending.write_volatile(link) };
        // A dying thread stops between two instructions, so the order of the program's
        // instructions is all that the kernel's view depends on.
        compiler_fence(Ordering::SeqCst);
    }

    /// Ends what [`set_pending`](Self::set_pending) began.
    #[inline]
    pub(crate) fn clear_pending(self) {
        compiler_fence(Ordering::SeqCst);
        self.set_pending(ptr::null_mut());
    }

    /// The address of the list's first link field.
    #[inline]
    pub(crate) fn list(self) -> *mut Link {
        // SAFETY: `head` is this thread's registered head; the field has the shape of a link.
        unsafe { (&raw mut (*self.head).list).cast() }
    }
}

fn unsupported(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, why)
}

/// What the field at `link` says: the head's, a lock's of the note, or a node's of the C library.
#[inline]
pub(crate) fn read(link: *mut Link) -> *mut Link {
    // SAFETY: the head, or a node of the C library on this thread's list.
    unsafe { link.cast::<*mut Link>().read_volatile() }
}

/// Changes the field at `link`. From here on the kernel sees it.
#[inline]
pub(crate) fn write(link: *mut Link, next: *mut Link) {
    // SAFETY: the head, a node of the C library or a lock of the note; only this thread writes it.
    unsafe { link.cast::<*mut Link>().write_volatile(next) };
}

/// Writes the "previous" field that lies in the eight bytes before a link.
#[inline]
pub(crate) fn set_previous(link: *mut Link, previous: *mut Link) {
    let field = untagged(link).cast::<*mut Link>().wrapping_sub(1);
    // SAFETY: `link` is the head, a node of the C library or a lock of the note. All three keep
    // the previous address in the eight bytes before the link.
    unsafe { field.write_volatile(previous) };
}

/// The address without the mark that the C library puts on its priority-inheriting mutexes.
#[inline]
pub(crate) fn untagged(link: *mut Link) -> *mut Link {
    link.map_addr(|address| address & !1)
}
