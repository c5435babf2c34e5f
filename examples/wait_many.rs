//! One wait over four different things: a queue, a pipe, a socket and a process. Whichever is ready
//! is dealt with first.
//!
//! In Python: `multiprocessing.connection.wait([...], timeout)`; its queues cannot be waited for.

use std::error::Error;
use std::time::Duration;

use brigade::{
    Connection, Event, ExitStatus, Process, Queue, Waitable, pipe, socket, wait, wait_timeout,
};

fn put(queue: Queue<u32>) -> Result<(), Box<dyn Error>> {
    Ok(queue.put(1)?)
}

fn send(pipe: Connection<u32>) -> Result<(), Box<dyn Error>> {
    Ok(pipe.send(2)?)
}

fn send_far(socket: socket::Connection<u32>) -> Result<(), Box<dyn Error>> {
    Ok(socket.send(&3)?)
}

#[brigade::main]
fn main() -> Result<(), Box<dyn Error>> {
    let queue = Queue::bounded(1)?;
    let (near, near_end) = pipe::<u32>()?;
    let (far, far_end) = socket::Connection::<u32>::pair()?;
    let go = Event::new()?;
    let child = Process::start(|go: Event| go.wait(), go.clone())?;
    let objects: [&dyn Waitable; 4] = [&queue, &near, &far, &child];
    assert!(wait_timeout(&objects, Duration::from_millis(5)).is_empty());
    println!("nothing is ready yet");

    let others = [
        Process::start(put, queue.clone())?,
        Process::start(send, near_end)?,
        Process::start(send_far, far_end)?,
    ];
    go.set();
    let mut left = vec![0, 1, 2, 3];
    while !left.is_empty() {
        let objects: Vec<&dyn Waitable> = left.iter().map(|&index| objects[index]).collect();
        let ready: Vec<usize> = wait(&objects).into_iter().map(|index| left[index]).collect();
        for index in &ready {
            match index {
                0 => assert_eq!(queue.try_get()?, 1),
                1 => assert_eq!(near.try_recv()?, 2),
                2 => assert_eq!(far.try_recv()?, 3),
                _ => assert_eq!(child.exit_status(), Some(ExitStatus::Code(0))),
            }
            println!("the {} is ready", ["queue", "pipe", "socket", "process"][*index]);
        }
        left.retain(|index| !ready.contains(index));
    }
    assert!(others.iter().all(|other| other.join().success()));
    Ok(())
}
