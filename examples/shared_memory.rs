//! Memory by name, for programs that are not relatives: this program starts another one, which
//! knows nothing but the name. What a killed owner leaves is cleaned up.
//!
//! In Python: `multiprocessing.shared_memory.SharedMemory(name, create=True, size=1024)`.

use std::env;
use std::error::Error;
use std::process::Command;
use std::sync::atomic::Ordering::Relaxed;

use brigade::{Event, ExitStatus, Process, SharedMemory, SharedMemoryError};

/// What the other program does: it opens the memory, reads, and writes.
fn answer(name: &str) -> Result<(), Box<dyn Error>> {
    let memory = SharedMemory::open(name)?;
    let mut question = [0; 11];
    memory.read(0, &mut question)?;
    assert_eq!(&question, b"how are you");
    memory.write(100, b"fine, thanks")?;
    memory.atomic_u64(512)?.fetch_add(1, Relaxed);
    Ok(())
}

/// Owns a segment until it is killed.
fn own((name, ready): (String, Event)) -> Result<(), SharedMemoryError> {
    let _memory = SharedMemory::create(&name, 1 << 20)?;
    ready.set();
    loop {
        std::thread::park();
    }
}

#[brigade::main]
fn main() -> Result<(), Box<dyn Error>> {
    if let Some(name) = env::args().nth(1) {
        return answer(&name);
    }
    let name = format!("example-{}", std::process::id());
    let memory = SharedMemory::create(&name, 1024)?;
    assert!(matches!(SharedMemory::create(&name, 8), Err(SharedMemoryError::Exists { .. })));
    memory.write(0, b"how are you")?;
    assert!(Command::new(env::current_exe()?).arg(&name).status()?.success());
    assert_eq!(&memory.to_vec()[100..112], b"fine, thanks");
    assert_eq!(memory.get::<u64>(512)?, 1);
    println!("another program found {name:?} and answered");
    drop(memory);
    assert!(matches!(SharedMemory::open(&name), Err(SharedMemoryError::Missing { .. })));
    println!("the last one to leave took it away");

    let ready = Event::new()?;
    let owner = Process::start(own, (name.clone(), ready.clone()))?;
    ready.wait();
    assert_eq!(SharedMemory::open(&name)?.len(), 1 << 20);
    owner.kill()?;
    assert_eq!(owner.join(), ExitStatus::Signal(9));
    // Nobody took it away this time, so whoever creates the next one does.
    assert_eq!(SharedMemory::create(&name, 16)?.len(), 16);
    println!("what a killed owner left is gone");
    Ok(())
}
