//! What a worker does: settle in, then one task after the other until its queue is closed.

use std::process::ExitCode;

use brigade_codec::{Bytes, decode};
use brigade_process::call::{CallError, Task};
use brigade_shm::transit::{self, Cargo};
use brigade_shm::{PutError, Queue};
use brigade_sys::signals::{self, Signal};

use crate::letter::{Desk, News, Order, Reply, Report};

/// The exit code of a worker whose initializer failed, or that cannot work.
const UNABLE: u8 = 70;

/// The function of a worker's process. Its end is the owner's doing: it closes the queue of orders,
/// or dies, and then the kernel ends the worker.
pub(crate) fn work(desk: Desk) -> ExitCode {
    // An interrupt from the terminal goes to everyone in the foreground. What it means for the
    // tasks is for the owner to say.
    let _ = signals::ignore(Signal::INT);
    let Desk { worker, orders, reports, initializer } = desk;
    let failure = initializer.and_then(|(task, argument)| initialize(task, &argument).err());
    let is_ready = failure.is_none();
    let news = failure.map_or(News::Ready, News::NotReady);
    if reports.put(Report { worker, news }).is_err() || !is_ready {
        return ExitCode::from(UNABLE);
    }
    while let Ok(Order { id, task, argument }) = orders.get() {
        let (reply, cargo) = transit::collect(|| run(task, &argument));
        drop(argument);
        if !report(&reports, Report { worker, news: News::Done { task: id, reply } }, cargo) {
            return ExitCode::from(UNABLE);
        }
    }
    ExitCode::SUCCESS
}

fn initialize(task: Task, argument: &Bytes) -> Result<(), String> {
    let code = task.call(&argument.0).map_err(|error| error.to_string())?;
    match decode::<i32>(&code) {
        Ok(0) => Ok(()),
        Ok(code) => Err(format!("the initializer ended with code {code}")),
        Err(error) => Err(error.to_string()),
    }
}

fn run(task: Task, argument: &Bytes) -> Reply {
    match task.call(&argument.0) {
        Ok(result) => Reply::Value(Bytes(result)),
        Err(CallError::Panicked { message }) => Reply::Panicked(message),
        Err(CallError::Argument(error)) => Reply::Argument(error.to_string()),
        Err(CallError::Result(error)) => Reply::Result(error.to_string()),
        Err(error) => Reply::Function(error.to_string()),
    }
}

/// Sends a report; `false` if nobody listens any more. What cannot be sent is reported as such.
fn report(reports: &Queue<Report>, report: Report, cargo: Cargo) -> bool {
    match reports.put(report) {
        Ok(()) => cargo.sent(),
        Err(PutError::Failed {
            value: Report { worker, news: News::Done { task, .. } },
            reason,
        }) => {
            drop(cargo);
            let news = News::Done { task, reply: Reply::Result(reason.to_string()) };
            return reports.put(Report { worker, news }).is_ok();
        }
        Err(_) => return false,
    }
    true
}
