//! A semaphore lets three in at once: ten processes come, and never more than three are inside.
//!
//! In Python: `multiprocessing.Semaphore(3)`, `BoundedSemaphore`, `with semaphore:`.

use std::error::Error;

use brigade::{Event, Process, Semaphore, Value};

const PERMITS: u32 = 3;

/// How many are inside now, and how many there were at most.
type Room = [u32; 2];

fn visit((door, room, full): (Semaphore, Value<Room>, Event)) {
    let permit = door.acquire();
    let inside = room.update(|[now, most]| {
        *now += 1;
        *most = (*most).max(*now);
        *now
    });
    assert!(inside <= PERMITS);
    // The first stay until the room is full, so that the check is about a full room.
    if inside == PERMITS {
        full.set();
    }
    full.wait();
    room.update(|[now, _]| *now -= 1);
    drop(permit);
}

#[brigade::main]
fn main() -> Result<(), Box<dyn Error>> {
    let door = Semaphore::bounded(PERMITS)?;
    let room = Value::new(Room::default())?;
    let full = Event::new()?;
    let visitors = (0..10)
        .map(|_| Process::start(visit, (door.clone(), room.clone(), full.clone())))
        .collect::<Result<Vec<_>, _>>()?;
    assert!(visitors.iter().all(|visitor| visitor.join().success()));
    let [now, most] = room.get();
    assert_eq!((now, most), (0, PERMITS));
    println!("ten processes came, at most {most} were inside at once");

    assert_eq!(door.available(), PERMITS);
    assert!(door.release(1).is_err(), "a bounded semaphore has no more than it began with");
    let permits: Vec<_> = (0..PERMITS).map(|_| door.acquire()).collect();
    assert!(door.try_acquire().is_none());
    drop(permits);
    println!("all {} permits are back", door.available());
    Ok(())
}
