//! A process runs a function: three ways to start it, and all that can be known of its end.
//!
//! In Python: `multiprocessing.Process(target=f, args=(x,))`, `set_start_method`, `join`,
//! `exitcode`, `terminate`, `kill`, `active_children`.

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use brigade::{
    Event, ExitStatus, Process, StartMethod, active_children, current_process, parent_process,
};

const SIGKILL: i32 = 9;
const SIGTERM: i32 = 15;

/// Ends with the code that it was given.
fn end_with(code: u8) -> ExitCode {
    assert!(parent_process().is_some_and(|parent| parent.is_alive()));
    assert_eq!(current_process().name, "clerk");
    ExitCode::from(code)
}

/// Ends only when somebody ends it.
fn wait_for_ever(running: Event) {
    running.set();
    loop {
        std::thread::park();
    }
}

#[brigade::main]
fn main() -> Result<(), Box<dyn Error>> {
    for method in StartMethod::ALL {
        let clerk = Process::builder().name("clerk").method(method).start(end_with, 7)?;
        assert_ne!(clerk.pid(), current_process().pid);
        assert_eq!(clerk.join(), ExitStatus::Code(7));
        assert_eq!(clerk.exit_status(), Some(ExitStatus::Code(7)), "it stays known");

        let running = Event::new()?;
        let idler = Process::builder().method(method).start(wait_for_ever, running.clone())?;
        running.wait();
        assert_eq!(idler.join_timeout(Duration::from_millis(1)), None);
        assert!(idler.is_alive());
        idler.terminate()?;
        assert_eq!(idler.join(), ExitStatus::Signal(SIGTERM));

        let idler = Process::builder().method(method).start(wait_for_ever, running)?;
        assert_eq!(active_children().len(), 1);
        idler.kill()?;
        assert_eq!(idler.join(), ExitStatus::Signal(SIGKILL));
        assert!(active_children().is_empty());
        println!("by {method}: exit code 7, then SIGTERM, then SIGKILL");
    }
    brigade::fork_server::stop();
    Ok(())
}
