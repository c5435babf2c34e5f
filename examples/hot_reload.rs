//! Signals: a worker takes up new settings at SIGHUP, without a restart and between two pieces of
//! work, and at SIGTERM it finishes what is waiting before it ends.
//!
//! In Python: `signal.signal(signal.SIGHUP, reload)`, `os.kill(pid, signal.SIGHUP)`.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs, process, thread};

use brigade::{ExitStatus, Process, Queue, wait};
use rustix::process::{Signal, pidfd_send_signal};
use signal_hook::consts::{SIGHUP, SIGTERM};
use signal_hook::iterator::Signals;

fn greet(
    (settings, names, said): (PathBuf, Queue<String>, Queue<String>),
) -> Result<(), Box<dyn Error>> {
    let signals = Queue::bounded(16)?;
    let mut caught = Signals::new([SIGHUP, SIGTERM])?;
    let news = signals.clone();
    thread::spawn(move || caught.forever().try_for_each(|signal| news.put(signal)));

    let mut greeting = fs::read_to_string(&settings)?;
    loop {
        wait(&[&signals, &names]);
        match signals.try_get() {
            Ok(SIGTERM) => break,
            Ok(_) => {
                greeting = fs::read_to_string(&settings)?;
                said.put(format!("settings read by {}", process::id()))?;
            }
            Err(_) => names.try_get().map(|name| said.put(format!("{greeting}, {name}")))??,
        }
    }
    while let Ok(name) = names.try_get() {
        said.put(format!("{greeting}, {name}"))?;
    }
    Ok(())
}

#[brigade::main]
fn main() -> Result<(), Box<dyn Error>> {
    let settings = env::temp_dir().join(format!("brigade-example-{}.txt", process::id()));
    let outcome = direct(&settings);
    fs::remove_file(&settings)?;
    outcome
}

fn direct(settings: &Path) -> Result<(), Box<dyn Error>> {
    let (names, said) = (Queue::bounded(16)?, Queue::bounded(16)?);
    fs::write(settings, "Hello")?;
    let worker = Process::start(greet, (settings.to_owned(), names.clone(), said.clone()))?;
    names.put("Ada".to_owned())?;
    assert_eq!(said.get()?, "Hello, Ada");

    fs::write(settings, "Welcome")?;
    pidfd_send_signal(worker.sentinel(), Signal::HUP)?;
    assert_eq!(said.get()?, format!("settings read by {}", worker.pid()));
    names.put("Grace".to_owned())?;
    assert_eq!(said.get()?, "Welcome, Grace");
    println!("the same process, {}, has new settings", worker.pid());

    for number in 1..=5 {
        names.put(format!("guest {number}"))?;
    }
    pidfd_send_signal(worker.sentinel(), Signal::TERM)?;
    assert_eq!(worker.join(), ExitStatus::Code(0));
    let last: Vec<String> = (0..said.len()).map_while(|_| said.get().ok()).collect();
    assert_eq!(last, [1, 2, 3, 4, 5].map(|number| format!("Welcome, guest {number}")));
    println!("it was told to end, and greeted the last {} guests first", last.len());
    Ok(())
}
