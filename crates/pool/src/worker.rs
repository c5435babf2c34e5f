//! What a worker does: settle in, then one task after the other until its queue is closed.

use std::process::ExitCode;

use brigade_codec::decode;
use brigade_process::call::{CallError, Task};
use brigade_shm::transit::Packed;
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
    let failure = initializer.and_then(|(task, argument)| initialize(task, argument).err());
    let is_ready = failure.is_none();
    let news = failure.map_or(News::Ready, News::NotReady);
    if reports.put(Report { worker, news }).is_err() || !is_ready {
        return ExitCode::from(UNABLE);
    }
    while let Ok(Order { id, task, argument }) = orders.get() {
        let reply = run(task, argument);
        if !report(&reports, Report { worker, news: News::Done { task: id, reply } }) {
            return ExitCode::from(UNABLE);
        }
    }
    ExitCode::SUCCESS
}

fn initialize(task: Task, argument: Packed) -> Result<(), String> {
    let code = task.call_packed(argument).map_err(|error| error.to_string())?;
    match code.read(decode::<i32>) {
        Ok(0) => Ok(()),
        Ok(code) => Err(format!("the initializer ended with code {code}")),
        Err(error) => Err(error.to_string()),
    }
}

fn run(task: Task, argument: Packed) -> Reply {
    match task.call_packed(argument) {
        Ok(result) => Reply::Value(result),
        Err(CallError::Panicked { message }) => Reply::Panicked(message),
        Err(CallError::Argument(error)) => Reply::Argument(error.to_string()),
        Err(CallError::Result(error)) => Reply::Result(error.to_string()),
        Err(error) => Reply::Function(error.to_string()),
    }
}

/// Sends a report; `false` if nobody listens any more. What cannot be sent is reported as such.
fn report(reports: &Queue<Report>, report: Report) -> bool {
    match reports.put(report) {
        Err(PutError::Failed {
            value: Report { worker, news: News::Done { task, .. } },
            reason,
        }) => {
            let news = News::Done { task, reply: Reply::Result(reason.to_string()) };
            reports.put(Report { worker, news }).is_ok()
        }
        sent => sent.is_ok(),
    }
}
